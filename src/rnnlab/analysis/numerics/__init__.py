"""Numerical methods without models: dynamical systems, linear algebra, automata."""
