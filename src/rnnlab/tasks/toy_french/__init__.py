"""A small grammar of English sentences and their French translations."""
