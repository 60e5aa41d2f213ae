"""The report of an entry in TensorBoard: the text, the figures, and the numbers by seed."""

from collections.abc import Mapping
from pathlib import Path

from rnnlab.reports.events import picture, remove_events, scalar, text, write_events
from rnnlab.reproductions.outcome import Outcome

TREE = "report.events"  # beside directories of jobs, whose names have no dot
_BY_SEED = "by seed"  # its step is the seed


def write(directory: Path, outcome: Outcome, report: str, pictures: Mapping[str, bytes]) -> None:
    """Write the events to `report.events/`, in place of earlier ones.

    Text and figures are in `report.events/`, the numbers of each job in `report.events/<job>/`, so
    that one chart shows claim and control.

    Args:
        directory: directory of the entry.
        outcome: what was found.
        report: Markdown, without links to files.
        pictures: file name -> a PNG.

    Raises:
        ConfigError: there is a link among earlier events.
        OSError: the directory can't be written to.
    """
    tree = directory / TREE
    remove_events(tree)
    figures = [picture(Path(name).stem, png) for name, png in pictures.items()]
    write_events(tree, [text("report", report), *figures])
    for job in dict.fromkeys(found["job"] for found in outcome["findings"]):
        numbers = [
            scalar(f"{_BY_SEED}/{found['what']}", value, seed)
            for found in outcome["findings"]
            for seed, value in zip(outcome["seeds"], found["values"], strict=True)
            if found["job"] == job and value is not None
        ]
        write_events(tree / job, numbers)
