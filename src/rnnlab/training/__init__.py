"""Training a run with Lightning, which stands only here."""
