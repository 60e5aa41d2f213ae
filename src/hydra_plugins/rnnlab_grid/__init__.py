"""Hydra's basic sweeper, faster at seeing that all jobs can be composed."""
