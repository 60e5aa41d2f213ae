"""A small grammar of English and French sentences."""
