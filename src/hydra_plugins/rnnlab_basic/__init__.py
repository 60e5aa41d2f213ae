"""Hydra's basic sweeper and launcher, which compose the jobs of a sweep once and not twice each."""
