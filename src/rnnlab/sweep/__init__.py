"""Many runs at once: the jobs of a sweep, and what came of them."""
