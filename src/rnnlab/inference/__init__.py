"""Inference: free running, sampling and beam search, evaluation, samples to look at."""
