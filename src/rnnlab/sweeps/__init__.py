"""Sweeps: their jobs, the processes that run them, and searches with Optuna."""
