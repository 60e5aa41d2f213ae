"""Kernels in C++, compiled at first use, that unroll cells."""

from rnnlab.kernels.library import load_kernels, why_no_kernels

__all__ = ["load_kernels", "why_no_kernels"]
