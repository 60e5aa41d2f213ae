"""What is wrong with a figure: texts over each other, lines that no legend names."""

from itertools import combinations
from typing import Any


def clashes(figure: Any) -> list[tuple[str, str]]:
    """Return pairs of titles, axis labels, legends and small lines of a figure that overlap.

    Tick labels and texts within axes are left out: small nets crowd them.
    """
    figure.draw_without_rendering()  # saving left positions of another resolution
    things = [(text.get_text(), text) for text in [*figure.texts, *_supertexts(figure)]]
    things += [("a legend of the figure", legend) for legend in figure.legends]
    for axes in figure.axes:
        if axes.axison:
            labels = [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
            things += [(label.get_text(), label) for label in labels]
    boxes = [(name, thing.get_window_extent()) for name, thing in things if name]
    boxes = [(name, box) for name, box in boxes if box.width and box.height]
    return [
        (one, other)
        for (one, box), (other, beside) in combinations(boxes, 2)
        if box.padded(-1).overlaps(beside.padded(-1))
    ]


def _supertexts(figure: Any) -> list[Any]:
    known = (figure._suptitle, figure._supxlabel, figure._supylabel)
    return [text for text in known if text is not None and text not in figure.texts]


def unnamed_colors(axes: Any, legend: Any) -> set[str]:
    """Return the colours of lines of an axes that a legend doesn't show."""
    from matplotlib.colors import to_hex
    from matplotlib.lines import Line2D

    named = {to_hex(h.get_color()) for h in legend.legend_handles if isinstance(h, Line2D)}
    return {to_hex(line.get_color()) for line in axes.get_lines() if len(line.get_xdata())} - named


def crosses(arrow: Any, text: Any) -> bool:
    """Whether an arrow of a drawn figure goes through a text."""
    from matplotlib.path import Path

    path = arrow.get_transform().transform_path(arrow.get_path())
    box = text.get_window_extent()
    # Piece by piece: the check takes jumps between pieces for lines.
    pieces = path.to_polygons(closed_only=False)
    return any(Path(piece).intersects_bbox(box, filled=False) for piece in pieces)
