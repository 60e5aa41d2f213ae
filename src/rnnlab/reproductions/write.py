"""The report of an entry: a table for the terminal, Markdown, CSV, a figure, TensorBoard."""

import json
from collections.abc import Sequence
from functools import partial
from shlex import join

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import refuse_links, write_atomically
from rnnlab.plots.files import can_draw
from rnnlab.reports.layout import aligned, code, csv_text, escape, markdown_table
from rnnlab.reproductions import events
from rnnlab.reproductions.draw import PICTURE, draw
from rnnlab.reproductions.drawings import drawings, file_name
from rnnlab.reproductions.entry import Entry
from rnnlab.reproductions.jobs import Plan
from rnnlab.reproductions.outcome import FILE, Finding, Outcome, Runs

_WIDTH = 120  # of the table in a terminal
_REPORT, _TABLE, _VALUES = "report.md", "table.csv", "values.csv"


def write(plan: Plan, outcome: Outcome, runs: Runs, command: str) -> None:
    """Write `results.json`, `report.md`, `table.csv`, `values.csv` and, with matplotlib, figures.

    TensorBoard shows report, figure and numbers from `report.events/`.

    Args:
        plan: what was trained.
        outcome: what was found.
        runs: job -> the run of each seed, of which figures of analyses are drawn.
        command: the command line, quoted in the report.

    Raises:
        ConfigError: the directory can't be written to, or an analysis has no such figure.
    """
    directory, entry = plan.directory, plan.entry
    names = [PICTURE, *map(file_name, entry.drawings)]
    refuse_links(directory, [FILE, _REPORT, _TABLE, _VALUES, events.TREE, *names])
    pictures = {PICTURE: draw(entry, outcome)} if can_draw() else {}
    pictures |= {file_name(name): picture for name, picture in drawings(entry, runs)}
    report = partial(markdown, entry, outcome, command)
    contents = {
        _REPORT: report(list(pictures)),
        _TABLE: csv_text(list(map(finding_row, outcome["findings"]))),
        _VALUES: csv_text(
            [
                {"what": found["what"], "job": found["job"], "seed": seed, "value": value}
                for found in outcome["findings"]
                for seed, value in zip(outcome["seeds"], found["values"], strict=True)
            ]
        ),
        FILE: json.dumps(outcome, indent=1, allow_nan=False) + "\n",  # last: the others are there
    }
    try:
        for name in names:
            if name in pictures:
                write_atomically(directory / name, pictures[name])
            else:  # of an earlier call
                (directory / name).unlink(missing_ok=True)
        events.write(directory, outcome, report(), pictures)
        for name, content in contents.items():
            write_atomically(directory / name, content.encode())
    except OSError as error:
        raise ConfigError(f"{directory} can't be written to: {error.strerror}") from error


def terminal(entry: Entry, outcome: Outcome) -> str:
    """Format claim, table and verdict for the terminal: under each name a line of values."""
    heading, *rows = table(outcome)
    values = [[cell or "-" for cell in cells[1:]] for cells in (heading, *rows)]
    columns, *lines = (f"  {line}" for line in aligned(values, _WIDTH))
    named = [part for row, line in zip(rows, lines, strict=True) for part in (row[0], line)]
    return "\n".join([entry.summary, entry.citation, "", columns, *named, "", conclusion(outcome)])


def conclusion(outcome: Outcome) -> str:
    """Return the verdict in a line."""
    held = sum(found["holds"] for found in outcome["findings"])
    name, total = outcome["name"], len(outcome["findings"])
    if outcome["verdict"] == "smoke":
        return f"{name}: smoke, the machinery works; nothing was learnt"
    return f"{name}: {outcome['verdict']}, {held} of {total} hold"


def markdown(entry: Entry, outcome: Outcome, command: str, pictures: Sequence[str] = ()) -> str:
    """Format the report as Markdown, with links to pictures beside it."""
    seeds = outcome["seeds"]
    commit = f", commit {outcome['commit']}" if outcome["commit"] else ""
    parts = [
        f"# {entry.name}",
        escape(entry.summary),
        escape(entry.citation),
        f"    {command}",
        f"**{conclusion(outcome)}**, on seeds {seeds[0]} to {seeds[-1]}{commit}.",
        markdown_table(table(outcome)),
        *(f"![{entry.name}]({picture})" for picture in pictures),
        f"Protocol: {entry.protocol}. {escape(entry.differs or '')}".rstrip(),
        *([f"What was tried: {escape(entry.tried)}"] if entry.tried else []),
        "## What was trained",
        markdown_table(_jobs_table(outcome)),
        "\n".join(f"- {took['job']}: {code(join(took['command']))}" for took in outcome["jobs"]),
        "## How to read it",
        "\n".join(f"- {note}" for note in _NOTES),
    ]
    return "\n\n".join(parts) + "\n"


_NOTES = (
    "`paper`: what the paper reports, where that was seen in a source. `seeds`: on how many the "
    "number is as it must be; `must be` ends with how many are required. Thresholds were set on "
    "seeds below 100, and those from 100 on confirm them.",
    "A run that diverged, or of which there is nothing to measure, keeps no promise and is in no "
    "median.",
    "A control has the same data and budget, and must fail as the table says.",
)


def table(outcome: Outcome) -> list[list[str]]:
    """Return the rows of the table, the heading first."""
    heading = ["", "paper", "ours: median [quartiles]", "seeds", "floor", "must be", "verdict"]
    smoke = outcome["verdict"] == "smoke"
    return [heading, *([*_cells(found), _verdict(found, smoke)] for found in outcome["findings"])]


def _cells(found: Finding) -> list[str]:
    name = f"{found['job']}{' (control)' if found['control'] else ''}: {found['what']}"
    floor = "" if found["floor"] is None else f"{found['floor']:.4g}"
    total = len(found["values"])
    return [
        name,
        found["paper"],
        _quartiles(found),
        f"{found['kept']} of {total}",
        floor,
        f"{found['must']} on {found['least']}",
    ]


def _quartiles(found: Finding) -> str:
    if found["quartiles"] is None:
        return "none"
    low, middle, high = found["quartiles"]
    return f"{middle:.4g} [{low:.4g}, {high:.4g}]"


def _verdict(found: Finding, smoke: bool) -> str:
    if smoke:
        return "smoke"
    if found["control"]:
        return "fails, as it must" if found["holds"] else "does not fail"
    return "reproduced" if found["holds"] else "not reproduced"


def finding_row(found: Finding) -> dict[str, object]:
    """Return a claim or control as a row of `table.csv`."""
    low, middle, high = found["quartiles"] or (None, None, None)
    rest = {key: value for key, value in found.items() if key not in ("values", "quartiles")}
    return {**rest, "seeds": len(found["values"]), "low": low, "median": middle, "high": high}


def _jobs_table(outcome: Outcome) -> list[list[str]]:
    rows = [["job", "parameters", "sequences seen", "CPU seconds, all seeds"]]
    for took in outcome["jobs"]:
        counts = (took["parameters"], took["sequences"])
        sizes = ["" if count is None else f"{count}" for count in counts]
        rows.append([took["job"], *sizes, f"{took['cpu_seconds']:.0f}"])
    return rows


def overview(rows: Sequence[tuple[Outcome, float]]) -> list[str]:
    """Format a line for each entry: verdict, and where the time went.

    Args:
        rows: outcome and seconds of the call, of each entry.
    """
    cells = [["entry", "verdict", "hold", "training, CPU min", "this call, min"]]
    for outcome, seconds in rows:
        held = f"{sum(found['holds'] for found in outcome['findings'])}/{len(outcome['findings'])}"
        trained = sum(took["cpu_seconds"] for took in outcome["jobs"])
        cells.append(
            [
                outcome["name"],
                outcome["verdict"],
                "-" if outcome["verdict"] == "smoke" else held,
                f"{trained / 60:.1f}",
                f"{seconds / 60:.1f}",
            ]
        )
    return aligned(cells)
