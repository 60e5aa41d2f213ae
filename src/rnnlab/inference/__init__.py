"""What a model says: free running, sampling, scores, exhibits."""
