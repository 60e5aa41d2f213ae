"""rnnlab: build, train, compare and look inside recurrent sequence models."""

__version__ = "0.1.0"
