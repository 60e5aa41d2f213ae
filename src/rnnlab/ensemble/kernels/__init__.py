"""Kernels in C++, compiled at first use, that unroll the cells of N members."""

from rnnlab.ensemble.kernels.library import (
    Struct,
    load_kernels,
    run_kernel,
    struct_fields,
    why_no_kernels,
)

__all__ = ["Struct", "load_kernels", "run_kernel", "struct_fields", "why_no_kernels"]
