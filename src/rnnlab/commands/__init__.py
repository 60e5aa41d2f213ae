"""What the commands do, as functions; `rnnlab` has them by their names."""
