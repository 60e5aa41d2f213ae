"""Marks of tests that need what a machine may lack."""

import pytest

from rnnlab.kernels import load_kernels

needs_kernels = pytest.mark.skipif(load_kernels() is None, reason="no C++ compiler here")
