"""`hydra/launcher=vectorized`: the jobs of a sweep that can be stacked train as one model."""
