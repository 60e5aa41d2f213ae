"""From overrides on a command line to checked objects."""
