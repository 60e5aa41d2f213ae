"""One small main a command."""
