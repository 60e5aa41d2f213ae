"""Recording and differentiating models while they run."""
