"""Files of an analysis in a run directory: figures, numbers, tables, TensorBoard events."""

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from rnnlab.analysis.base import Findings, Picture, ProjectorPoints
from rnnlab.errors import ConfigError
from rnnlab.files.atomic import write_atomically
from rnnlab.plots.files import encode
from rnnlab.runs.run import Run
from rnnlab.spelling import printable

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def check_drawing() -> None:
    """Check that the drawing libraries are installed.

    Raises:
        ConfigError: matplotlib or scipy is not installed.
    """
    missing = [name for name in ("matplotlib", "scipy") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"analysis needs {' and '.join(missing)}: pip install 'rnnlab[analysis]'")


def write(
    run: Run,
    name: str,
    findings: Findings,
    step: int,
    formats: Sequence[str] = ("png",),
) -> list[Path]:
    """Write the results of an analysis to `figures/` in the run directory; returns the paths.

    TensorBoard shows figures and points as a run of its own, `figures`: an event file beside
    those of an unfinished training would hide what that writes later.

    Args:
        run: the run.
        name: name of the analysis, with which all file names begin.
        findings: the results.
        step: number of updates of the weights.
        formats: `png`, `svg` and `pdf`, some of them.
    """
    text = json.dumps(_plain(findings.numbers), indent=2, allow_nan=False) + "\n"
    written = [_put(run, f"{name}.json", text.encode())]
    for part, rows in findings.tables.items():
        table = io.StringIO()
        shown = [[_shown(cell) for cell in row] for row in rows]
        csv.writer(table, lineterminator="\n").writerows(shown)
        written.append(_put(run, f"{_join(name, part)}.csv", table.getvalue().encode()))
    for ending, text in findings.texts.items():
        content = printable(text, lines=True).encode()
        written.append(_put(run, f"{name}.{ending}", content))
    with _events(run, name) as events:
        for part, picture in findings.pictures.items():
            for suffix, content in drawn(picture, formats, run.imprint):
                if suffix in formats:
                    written.append(_put(run, f"{_join(name, part)}.{suffix}", content))
                if suffix == "png":  # TensorBoard shows no other
                    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
                    tag = f"{name}/{part}" if part else name
                    events.add_image(tag, pixels, step, dataformats="HWC")
    for part, points in findings.points.items():
        written += _put_points(run, _join(name, part), points)
    return written


def _join(name: str, part: str) -> str:
    return f"{name}_{part}" if part else name


def _put(run: Run, name: str, content: bytes) -> Path:
    path = run.figure(name)
    write_atomically(path, content)
    return path


def _put_points(run: Run, name: str, points: ProjectorPoints) -> list[Path]:
    """Write points for TensorBoard's projector, and a config that lists all points of the run."""
    labels = points.labels if len(points.header) == 1 else [points.header, *points.labels]
    written = [
        _put(run, f"{name}_{kind}.tsv", "".join(map(_line, rows)).encode())
        for kind, rows in (("points", points.values.tolist()), ("labels", labels))
    ]
    known = (re.fullmatch(r"(\w+)_points\.tsv", path.name) for path in run.figure("").iterdir())
    names = [found[1] for found in known if found]
    entries = [
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}_points.tsv"\n'
        f'  metadata_path: "{name}_labels.tsv"\n}}\n'
        for name in sorted(names)
    ]
    _put(run, "projector_config.pbtxt", "".join(entries).encode())
    return written


def _line(row: Sequence[Any]) -> str:
    return "\t".join(printable(str(cell)) for cell in row) + "\n"


def _shown(cell: Any) -> Any:
    return printable(cell) if isinstance(cell, str) else cell


def drawn(
    picture: Picture, formats: Sequence[str] = ("png",), imprint: str = ""
) -> Iterator[tuple[str, bytes]]:
    """Draw a figure, and yield each file suffix with the file's content, PNG in any case."""
    import matplotlib

    from rnnlab.analysis.figures.style import STYLE, sign
    from rnnlab.plots.ticks import plain_ticks

    with matplotlib.rc_context(STYLE):
        figure = picture.draw()
        plain_ticks(figure)
        sign(figure, imprint)
        for suffix in dict.fromkeys(["png", *formats]):
            yield suffix, encode(figure, suffix)


@contextmanager
def _events(run: Run, name: str) -> "Iterator[SummaryWriter]":
    """Open the event file of one analysis, which replaces the one of an earlier call."""
    from torch.utils.tensorboard import SummaryWriter

    directory = run.figure(f"{name}.json").parent
    for earlier in directory.glob(f"events.out.tfevents.*.{name}"):
        earlier.unlink()
    with SummaryWriter(directory, filename_suffix=f".{name}") as events:
        yield events


def _plain(value: Any) -> Any:
    """Convert numbers, arrays and tensors to what JSON holds; non-finite numbers become null."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
