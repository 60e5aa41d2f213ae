"""An anti-aliased canvas: Pillow draws at three times the size, then the picture is reduced."""

import math
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rnnlab.spelling import printable

INK = "#222222"
TITLE, LABEL, TICK = 20, 16, 15  # sizes of text, legible on a slide
_SCALE = 3
_FONTS = ("DejaVuSans.ttf", "Arial.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf")

Color = str | tuple[int, ...]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Canvas:
    """A white canvas; all coordinates and sizes are in pixels of the finished picture.

    Args:
        width: width in pixels.
        height: height in pixels.
    """

    def __init__(self, width: float, height: float) -> None:
        self.size = (round(width), round(height))
        self.image = Image.new("RGB", (self.size[0] * _SCALE, self.size[1] * _SCALE), "white")
        self.pen = ImageDraw.Draw(self.image)

    def line(self, points: NDArray[np.float64], color: Color, width: float) -> None:
        """Draw a line through points `(P, 2)`."""
        corners = [(float(x), float(y)) for x, y in points * _SCALE]
        self.pen.line(corners, fill=color, width=round(width * _SCALE), joint="curve")

    def rectangle(
        self,
        box: tuple[float, float, float, float],
        fill: Color | None = None,
        outline: str | None = None,
    ) -> None:
        """Draw a rectangle, given left, top, right and bottom."""
        self.pen.rectangle(
            tuple(round(edge * _SCALE) for edge in box), fill=fill, outline=outline, width=_SCALE
        )

    def mosaic(self, corner: tuple[float, float], colors: NDArray[np.uint8], size: float) -> None:
        """Draw squares of colors `(R, C, 3)` from the top left corner on."""
        rows, columns = colors.shape[:2]
        edge = round(size * _SCALE)
        tiles = Image.fromarray(colors).resize(
            (columns * edge, rows * edge), Image.Resampling.NEAREST
        )
        self.image.paste(tiles, (round(corner[0] * _SCALE), round(corner[1] * _SCALE)))

    def dot(self, x: float, y: float, radius: float, color: Color) -> None:
        """Draw a filled circle."""
        box = ((x - radius) * _SCALE, (y - radius) * _SCALE)
        self.pen.ellipse((*box, (x + radius) * _SCALE, (y + radius) * _SCALE), fill=color)

    def text(
        self,
        place: tuple[float, float],
        text: str,
        *,
        size: float,
        anchor: str,
        color: Color = INK,
        upright: bool = False,
    ) -> None:
        """Write text at a Pillow anchor; upright text (read upwards) is centred at `place`."""
        font = _font(size * _SCALE)
        text = _writable(text)
        x, y = place[0] * _SCALE, place[1] * _SCALE
        if not upright:
            self.pen.text((x, y), text, fill=color, font=font, anchor=anchor)
            return
        width, height = math.ceil(font.getlength(text)) + 4, math.ceil(size * _SCALE * 1.6)
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).text((width / 2, height / 2), text, fill=255, font=font, anchor="mm")
        mask = mask.rotate(90, expand=True)
        self.image.paste(color, (round(x - height / 2), round(y - width / 2)), mask)

    def finish(self) -> Image.Image:
        """Return the finished picture."""
        return self.image.reduce(_SCALE)


@lru_cache
def _font(size: float) -> _Font:
    """Return a system font that has accents, else Pillow's default font."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _writable(text: str) -> str:
    """Escape control characters, and drop accents that the font lacks."""
    text = printable(text)
    font = _font(12)
    if isinstance(font, ImageFont.FreeTypeFont) and font.getname()[0] != "Aileron":
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.replace("œ", "oe").replace("Œ", "OE")


def text_width(text: str, size: float) -> float:
    """Return the width of a text in pixels."""
    return _font(size * _SCALE).getlength(_writable(text)) / _SCALE
