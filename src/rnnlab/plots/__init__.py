"""Small pictures without a plot library, and what all figures share."""
