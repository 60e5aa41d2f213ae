"""Many runs to tables and pictures."""
