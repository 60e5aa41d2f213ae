"""`hydra/launcher=vectorized`: jobs that can be stacked train as one batched model."""
