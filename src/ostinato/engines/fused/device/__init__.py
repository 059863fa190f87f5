"""Generated code for CUDA devices: the language of `ir` as Triton kernels."""
