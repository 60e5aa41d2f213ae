"""Atomic writing, and safe reading of files that may be damaged or malicious."""
