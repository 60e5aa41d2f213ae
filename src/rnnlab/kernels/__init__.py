"""Kernels that unroll cells: in C++ for CPUs, in Triton for GPUs, compiled at first use."""

from rnnlab.kernels.library import load_kernels, why_no_kernels

__all__ = ["load_kernels", "why_no_kernels"]
