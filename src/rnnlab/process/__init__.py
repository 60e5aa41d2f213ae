"""State of the whole process: random generators, threads, memory, output streams, DDP ranks."""
