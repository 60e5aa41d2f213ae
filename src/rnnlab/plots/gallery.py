"""Small grey pictures side by side, each with a caption."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rnnlab.plots.canvas import LABEL, TITLE, Canvas, text_width

_GAP, _CAPTION = 14, 26


def gallery(
    pictures: ArrayLike, captions: Sequence[str], *, title: str, columns: int = 8, size: int = 96
) -> Image.Image:
    """Draw pictures `(N, H, W)` in rows, ink on white; their numbers are 0 for white to 1.

    Args:
        pictures: the pictures; NaN is a pale red.
        captions: a text below each.
        title: title of the whole.
        columns: most pictures in a row.
        size: width of the widest, or height of the highest, in pixels.
    """
    shades = np.asarray(pictures, dtype=float)
    pixel = max(1, size // max(shades.shape[1:]))
    height, width = (pixel * side for side in shades.shape[1:])
    width = max([width, *(int(text_width(text, LABEL)) for text in captions)])
    columns = min(columns, len(shades))
    rows = -(-len(shades) // columns)
    caption = _CAPTION if any(captions) else 0
    canvas = Canvas(
        max(16 + columns * (width + _GAP), 40 + text_width(title, TITLE)),
        44 + rows * (height + caption + _GAP),
    )
    canvas.text((16, 24), title, size=TITLE, anchor="lm")
    for number, shade in enumerate(shades):
        row, column = divmod(number, columns)
        across = pixel * shade.shape[1]
        x = 16 + column * (width + _GAP) + (width - across) / 2  # a caption may be wider
        y = 44 + row * (height + caption + _GAP)
        grey = (255 * (1 - np.clip(shade, 0, 1))).round()
        colors = np.where(np.isnan(shade)[..., None], (245, 220, 215), grey[..., None])
        canvas.mosaic((x, y), colors.astype(np.uint8), pixel)
        canvas.rectangle((x, y, x + across, y + height), outline="#bbbbbb")
        canvas.text((x + across / 2, y + height + 13), captions[number], size=LABEL, anchor="mm")
    return canvas.finish()
