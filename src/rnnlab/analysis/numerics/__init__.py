"""Numerics that know no model: dynamics, linear algebra, automata."""
