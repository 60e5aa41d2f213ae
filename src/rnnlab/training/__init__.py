"""Training a run with Lightning."""
