"""The report of a sweep: tables and pictures of many runs."""
