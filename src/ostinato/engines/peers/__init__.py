"""Other libraries' kernels as engines: named explicitly, never chosen by `auto`, never required."""
