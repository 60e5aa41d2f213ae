"""Grey pictures with labels: rows of a CSV file, or scikit-learn's digits."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlab.errors import ConfigError
from rnnlab.tasks.corpus import TextFiles, refuse_without_path
from rnnlab.tasks.package_data import PackageTexts, package_file

LabelPlace = Literal["first", "last"]
_BRIGHTEST = 255


class Picture(NamedTuple):
    """A square picture.

    Attributes:
        pixels: `(N, N)` grey levels, 0 to 255.
        label: what it shows.
    """

    pixels: NDArray[np.uint8]
    label: str


def picture_files(
    path: str | None, val_path: str | None, test_path: str | None, encoding: str | None
) -> TextFiles:
    """Return the files that settings name, or without a path those of scikit-learn.

    Its 1797 digits of 8x8 pixels with 17 grey levels are the test part of those of Alpaydin and
    Kaynak (1998).
    """
    if path is not None:
        return TextFiles(path, val_path, test_path, encoding)
    refuse_without_path(val_path=val_path, test_path=test_path, encoding=encoding)
    file = package_file("sklearn", "datasets/data/digits.csv.gz", "task.path=null")
    return PackageTexts(str(file))


def read_pictures(text: str, place: LabelPlace, key: str, path: str) -> list[Picture]:
    """Read pictures from lines of grey levels, row by row from the top, and a label.

    A first line whose last cell is no number is a heading if the labels are numbers, and so is one
    without any number.

    Args:
        text: content of the file.
        place: where in a line the label stands.
        key: its config key, for errors.
        path: its path, for errors.

    Raises:
        ConfigError: a line has no such numbers, or not as many as a square picture or the others.
    """
    pictures: list[Picture] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.split(",")
        label = cells.pop(0 if place == "first" else -1).strip()
        if number == 1 and not any(_is_grey(cell) for cell in cells):
            continue  # a heading
        if not all(map(_is_grey, cells)):
            wrong = next(cell for cell in cells if not _is_grey(cell))
            raise ConfigError(
                f"{key}: line {number} of {path} must be grey levels from 0 to {_BRIGHTEST} and a "
                f"label, got {wrong.strip()!r}"
            )
        side = round(len(cells) ** 0.5)
        wanted = pictures[0].pixels.size if pictures else side * side
        if len(cells) != wanted or not label or not cells:
            raise ConfigError(
                f"{key}: line {number} of {path} must be {wanted or 1} grey levels, a square "
                f"picture, and a label, got {len(cells)} and {label!r}"
            )
        levels = np.array(list(map(float, cells))).astype(np.uint8)
        pictures.append(Picture(levels.reshape(side, side), label.removesuffix(".0")))
    return pictures


def _is_grey(cell: str) -> bool:
    cell = cell.strip()
    return cell.removesuffix(".0").isdecimal() and float(cell) <= _BRIGHTEST
