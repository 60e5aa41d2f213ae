"""What a process has and shares: threads, memory, standard output, the other processes."""
