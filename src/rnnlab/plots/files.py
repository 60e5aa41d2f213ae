"""Figures of matplotlib as files."""

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def encode(figure: "Figure", form: str = "png", *, dpi: float | None = None) -> bytes:
    """Return a figure as the content of a file, the same of the same figure.

    Args:
        figure: the figure.
        form: `png`, `svg` or `pdf`.
        dpi: pixels an inch; `None` is the style's.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=dpi, metadata=_UNDATED.get(form))
    return buffer.getvalue()
