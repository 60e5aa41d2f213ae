"""Analyses of trained models.

Each analysis is one file here and one yaml in `configs/analysis` of the same name: a subclass of
`Analysis`, whose keyword-only arguments are its settings. `probe` runs and records models,
`numerics` is free of models, `figures` draws. To add an analysis, take `lengths` as the pattern.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Analysis": "base",
    "Attention": "attention",
    "Attractors": "attractors",
    "Automaton": "automaton",
    "Bptt": "bptt",
    "Findings": "base",
    "FixedPoints": "fixed_points",
    "Gates": "gates",
    "GradientFlow": "gradient_flow",
    "Lengths": "lengths",
    "Lyapunov": "lyapunov",
    "Picture": "base",
    "Spectrum": "spectrum",
    "States": "states",
    "draw_batch": "base",
    "within_budget": "progress",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import an analysis on first use: training needs none of them, and some are large."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
