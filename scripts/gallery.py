"""The gallery's record: `python scripts/gallery.py [NAME ...] [output_dir=DIR] [redraw=true]`.

Reproduces each entry on the seeds that its thresholds were set on and on those that confirm them,
and puts tables, figures and commits into docs/gallery.md, docs/gallery.json and docs/pictures, and
the verdicts into README.md. Entries that are not named stay as they are. redraw=true trains nothing
and draws the numbers of the record again, after a change of the code that draws them.
"""

import re
import shutil
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

import record as records
from record import ROOT
from rnnlab.cli import reproduce
from rnnlab.reports.layout import escape, markdown_table
from rnnlab.reproductions.draw import PICTURE, draw
from rnnlab.reproductions.drawings import file_name
from rnnlab.reproductions.entry import Entry, SeedSet, entry_names
from rnnlab.reproductions.jobs import Plan
from rnnlab.reproductions.outcome import Outcome, read_outcome
from rnnlab.reproductions.write import table

DOCS, README = ROOT / "docs", ROOT / "README.md"
RECORD, PAGE = DOCS / "gallery.json", DOCS / "gallery.md"
SEED_SETS: tuple[SeedSet, ...] = ("tuning", "fresh")


def reproduced(entry: Entry, seeds: SeedSet, output_dir: Path) -> Outcome:
    """Reproduce an entry, whatever the verdict, unless its results are there."""
    plan = Plan.make(entry, "quick", seeds, output_dir)
    outcome = read_outcome(plan.directory)
    if outcome is None or not is_of(entry, outcome):
        sys.argv = ["rnnlab-reproduce", entry.name, f"seeds={seeds}", f"output_dir={output_dir}"]
        try:
            reproduce.main()
        except SystemExit as end:
            if end.code not in (None, 0, 1):
                raise
        outcome = read_outcome(plan.directory)
    assert outcome is not None
    if outcome["commit"] is None:
        print(f"gallery: {entry.name} needs runs of code as committed", file=sys.stderr)
        sys.exit(2)
    if seeds == "fresh":
        for name, picture in pictures(entry).items():
            if (plan.directory / name).is_file():
                shutil.copy(plan.directory / name, DOCS / picture)
    return outcome


def pictures(entry: Entry) -> dict[str, str]:
    """Return where each figure of a report stands among the pictures of the page."""
    drawn = {file_name(name): f"_{name}" for name in entry.drawings}
    return {
        name: f"pictures/gallery_{entry.name}{ending}.png"
        for name, ending in {PICTURE: "", **drawn}.items()
    }


def is_of(entry: Entry, outcome: Outcome) -> bool:
    """Whether results are of the claims and seeds that an entry has now."""
    found = [
        (each["what"], each["job"], each["must"], each["least"]) for each in outcome["findings"]
    ]
    due = [(claim.what, claim.job, claim.must, claim.least) for claim in entry.checks]
    return found == due and len(outcome["seeds"]) == entry.seeds


def section(entry: Entry, record: dict[str, Any]) -> str:
    """Format an entry of the page."""
    fresh = record["fresh"]
    seconds = sum(took["cpu_seconds"] for took in fresh["jobs"])
    parts = [
        f"### {entry.name}",
        wrapped(f"{entry.summary} {entry.citation}."),
        f"    rnnlab-reproduce {entry.name}",
        markdown_table(with_both(fresh, record["tuning"])),
        wrapped(
            f"{fresh['verdict'].capitalize()}, commit {fresh['commit']}, {seconds / 60:.1f} CPU "
            f"minutes of training. Protocol: {entry.protocol}. {entry.differs or ''}"
        ),
        *([wrapped(f"What was tried: {entry.tried}")] if entry.tried else []),
        *(f"![{entry.name}]({p})" for p in pictures(entry).values() if (DOCS / p).is_file()),
    ]
    return "\n\n".join(parts) + "\n"


def with_both(fresh: Outcome, tuning: Outcome) -> list[list[str]]:
    """Return the table of the seeds that confirm, with the counts of the others beside it."""
    (heading, *rows), at = table(fresh), 3  # of the column of counts
    counts = [f"{found['kept']} of {len(found['values'])}" for found in tuning["findings"]]
    titles = [f"seeds {run['seeds'][0]} to {run['seeds'][-1]}" for run in (tuning, fresh)]
    return [
        [*heading[:at], *titles, *heading[at + 1 :]],
        *([*row[:at], count, *row[at:]] for row, count in zip(rows, counts, strict=True)),
    ]


def wrapped(text: str) -> str:
    """Break prose into lines of the page's width."""
    return fill(escape(text).strip(), 110, break_long_words=False, break_on_hyphens=False)


def overview(entries: list[Entry], record: dict[str, Any]) -> str:
    """Format a row for each entry."""
    rows = [["entry", "claim", "verdict", "seeds", "CPU minutes"]]
    for entry in entries:
        fresh = record[entry.name]["fresh"]
        seconds = sum(took["cpu_seconds"] for took in fresh["jobs"])
        seeds = f"{fresh['seeds'][0]} to {fresh['seeds'][-1]}"
        rows.append([entry.name, entry.summary, fresh["verdict"], seeds, f"{seconds / 60:.1f}"])
    return markdown_table(rows)


def summary(entries: list[Entry], record: dict[str, Any]) -> str:
    """Format the README's row for each entry."""
    rows = [["entry", "claim", "verdict"]]
    rows += [[each.name, each.summary, record[each.name]["fresh"]["verdict"]] for each in entries]
    return markdown_table(rows)


def main() -> None:
    """Reproduce what is named, or all, and write the record."""
    words = dict(word.partition("=")[::2] for word in sys.argv[1:] if "=" in word)
    names = [word for word in sys.argv[1:] if "=" not in word] or list(entry_names())
    output_dir = Path(words.get("output_dir", "outputs"))
    record = records.read(RECORD)
    for name in names:
        entry = Entry.load(name)
        if words.get("redraw") == "true":
            (DOCS / pictures(entry)[PICTURE]).write_bytes(draw(entry, record[name]["fresh"]))
            continue
        record[name] = {seeds: reproduced(entry, seeds, output_dir) for seeds in SEED_SETS}
        records.write(RECORD, record)
    write_page(record)


def write_page(record: dict[str, Any]) -> None:
    """Replace the parts of the page and of the README that this script makes."""
    entries = [Entry.load(name) for name in entry_names() if name in record]
    made = [overview(entries, record), *(section(entry, record[entry.name]) for entry in entries)]
    replace(PAGE, "\n\n".join(made))
    replace(README, summary(entries, record))


def replace(path: Path, made: str) -> None:
    """Replace the entries of a page."""
    body = re.sub(r"\n{3,}", "\n\n", made).strip()
    records.replace(path, "entries", f"\n{body}\n")


if __name__ == "__main__":
    main()
