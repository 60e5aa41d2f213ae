"""Looks inside a trained model: each analysis is one file here and one yaml in configs/analysis."""
