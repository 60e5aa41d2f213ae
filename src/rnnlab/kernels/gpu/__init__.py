"""Kernels in Triton, compiled at first use, that unroll cells on a GPU."""
