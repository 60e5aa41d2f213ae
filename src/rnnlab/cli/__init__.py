"""The commands `rnnlab-train`, `rnnlab-evaluate` and so on: a `main` each."""
