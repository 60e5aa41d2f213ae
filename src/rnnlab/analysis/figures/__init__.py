"""Figures of the analyses, drawn with matplotlib."""
