"""Drawing what the analyses found, with matplotlib."""
