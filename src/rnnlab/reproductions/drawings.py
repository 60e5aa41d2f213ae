"""Figures of analyses that an entry asks for, of its first seed."""

from collections.abc import Iterator
from importlib.util import find_spec

from rnnlab.analysis.run import make
from rnnlab.analysis.save import drawn
from rnnlab.errors import ConfigError
from rnnlab.process.arithmetic import arithmetic
from rnnlab.process.output import note
from rnnlab.reproductions.entry import Drawing, Entry
from rnnlab.reproductions.outcome import Runs
from rnnlab.runs.run import Run


def file_name(drawing: str) -> str:
    """Return the file name of a figure, beside the report."""
    return f"figure_{drawing}.png"


def drawings(entry: Entry, runs: Runs) -> Iterator[tuple[str, bytes]]:
    """Yield the name and PNG of each figure; none without matplotlib and scipy, or without a run.

    Raises:
        ConfigError: the analysis has no such figure.
    """
    if not (find_spec("matplotlib") and find_spec("scipy")):
        return
    for name, wanted in entry.drawings.items():
        finished = [run for run in runs[wanted.job] if run is not None]
        if finished:
            note(f"{wanted.job}: drawing {name}")
            yield name, _draw(wanted, finished[0])


def _draw(wanted: Drawing, run: Run) -> bytes:
    with arithmetic(run.config):
        found = make(wanted.analysis, wanted.words).analyze(run.open([], "last")).pictures
    if wanted.picture not in found:
        raise ConfigError(
            f"picture={wanted.picture} is none of analysis={wanted.analysis}: it has "
            f"{', '.join(found)}"
        )
    return dict(drawn(found[wanted.picture]))["png"]
