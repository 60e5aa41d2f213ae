"""Fused arithmetic in C++, compiled where it runs: the states of many small nets over time."""

from rnnlab.ensemble.kernels.library import Arguments, call, fields, library, why_none

__all__ = ["Arguments", "call", "fields", "library", "why_none"]
