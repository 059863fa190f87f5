"""Generated code for CUDA devices: recurrences over all steps together as Triton kernels."""
