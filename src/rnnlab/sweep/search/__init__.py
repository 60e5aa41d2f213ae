"""Searching a space of settings with Optuna."""
