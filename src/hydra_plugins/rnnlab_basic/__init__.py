"""The default sweeper and launcher: Hydra's basic ones, but each job is composed only once."""
