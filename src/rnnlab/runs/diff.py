"""Two runs side by side: in which settings, versions and results they differ."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from shlex import join
from textwrap import wrap
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from rnnlab.files.foreign import RunCard
from rnnlab.runs.run import Run
from rnnlab.spelling import brief, printable

_WIDTH = 100
_ABSENT: Any = object()  # not None, which a setting may be
_UNKNOWN: RunCard = {"status": ""}
_FACTS = ("git", "platform", "processor", "device", "threads", "determinism")
_BESIDE = ("task", "model")  # in results.json, but names
_SPLITS = ("train/", "val/", "test/")


class Row(NamedTuple):
    """A thing by its name, and its value in each run."""

    name: str
    first: Any
    second: Any

    @property
    def differs(self) -> bool:
        """Tell the values apart; NaN is NaN."""
        both_nan = self.first != self.first and self.second != self.second
        return not both_nan and bool(self.first != self.second)


@dataclass(frozen=True)
class Section:
    """What there is to say of a part of two runs: nothing, where it is the same bit for bit.

    Args:
        name: of the part, and where in it the rows are.
        rows: where it differs.
        remarks: how it differs, in sentences.
        caveats: what keeps us from saying that it is the same.
        measured: whether the rows hold numbers, whose differences mean something.
    """

    name: str
    rows: Sequence[Row] = ()
    remarks: Sequence[str] = ()
    caveats: Sequence[str] = ()
    measured: bool = False

    @property
    def differs(self) -> bool:
        """Tell whether the runs differ here."""
        return bool(self.rows or self.remarks)


def compare(first: Run, second: Run, parts: Sequence[str]) -> list[Section]:
    """Compare parts of two runs; what only one of them has is a difference.

    Args:
        first: a run.
        second: another.
        parts: names of `PARTS`.

    Raises:
        ConfigError: a file of a run can't be read.
    """
    sections = []
    for name in parts:
        part = PARTS[name]
        one, other = part.read(first), part.read(second)
        if one is None and other is None:
            section = Section(name, caveats=[f"neither run has {part.source}"])
        elif one is None or other is None:
            which = "first" if other is None else "second"
            section = Section(name, remarks=[f"only the {which} run has {part.source}"])
        else:
            section = part.compare(one, other)
        sections.append(section)
    return sections


def lay_out(first: Run, second: Run, sections: Sequence[Section]) -> str:
    """Say which runs these are, in what they differ and in what they don't."""
    blocks = [_heading(first, second)]
    blocks += [_block(section) for section in sections if section.differs or section.caveats]
    same = [section.name for section in sections if not section.differs and not section.caveats]
    if same:
        blocks.append(f"the same bit for bit: {', '.join(same)}")
    return "\n\n".join(blocks)


# What a run has to compare, part by part; `None` where it didn't get so far.


def _config(run: Run) -> dict[str, Any]:
    """Give the settings; where a run was written changes nothing in it."""
    config = OmegaConf.to_container(run.config)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items() if key != "output_dir"}


def _card(run: Run) -> RunCard | None:
    return run.card if run.file("run.json").is_file() else None


def _versions(run: Run) -> dict[str, Any] | None:
    card = _card(run)
    if card is None:
        return None
    facts = {name: value for name, value in card.items() if name in _FACTS}
    return {"python": card.get("python"), **card.get("versions", {}), **facts}


def _fingerprint(run: Run) -> str | None:
    card = _card(run)
    return card.get("fingerprint") if card else None


def _results(run: Run) -> dict[str, Any] | None:
    return {**run.results} if run.file("results.json").is_file() else None


def _curve(run: Run) -> dict[int, dict[str, float]] | None:
    if not run.file("metrics.csv").is_file():
        return None
    return {int(row.pop("step")): row for row in run.curve}


def _weights(run: Run) -> dict[str, Any] | None:
    from rnnlab.files import checkpoint  # with torch, which takes longer than all the rest

    path = run.file(f"checkpoints/{checkpoint.BEST}")
    if not path.is_file():
        return None
    state = checkpoint.read(path)["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items()}


# How two of them differ.


def _compare_configs(first: dict[str, Any], second: dict[str, Any]) -> Section:
    """List settings, below the choices that brought them: a choice alone is but a name."""
    rows = _differing(first, second, ".")
    chosen = [row for row in rows if row.name.startswith("choices.")]
    others = [row for row in rows if row not in chosen]
    if not others:
        return Section("settings")
    heads = [row._replace(name=row.name.removeprefix("choices.")) for row in chosen]
    heads.sort(key=lambda row: row.name not in ("task", "model"))
    return Section("settings", [*heads, *others])


def _compare_versions(first: dict[str, Any], second: dict[str, Any]) -> Section:
    git = first.get("git")
    caveats = []
    if git and git.get("dirty") and git == second.get("git"):
        caveats.append("both ran with uncommitted changes, which may not be the same")
    return Section("versions", _differing(first, second, "."), caveats=caveats)


def _compare_fingerprints(first: str, second: str) -> Section:
    """Tell tasks apart of which a model learns something else: files, say, with other letters."""
    if first == second:
        return Section("fingerprint")
    rows = [Row("of the task", first, second)]
    return Section("fingerprint", rows, ["its sizes differ, or what its symbols mean"])


def _compare_results(first: dict[str, Any], second: dict[str, Any]) -> Section:
    """List every metric, and of the rest what differs; of a breakdown, that it does."""
    rows = [row for row in _pairs(first, second, "/") if row.name not in _BESIDE]
    inner = [row for row in rows if row.name.startswith("breakdown/")]
    tables = dict.fromkeys(row.name.split("/")[1] for row in inner if row.differs)
    rows = [row for row in rows if row not in inner]
    if any(row.differs for row in rows):
        rows = [row for row in rows if row.differs or row.name.startswith(_SPLITS)]
    else:
        rows = []
    remarks = [f"breakdowns that differ: {', '.join(tables)}"] if tables else []
    return Section("results", rows, remarks, measured=True)


def _compare_curves(first: dict[int, Any], second: dict[int, Any]) -> Section:
    """List the metrics of the first step that differs."""
    both = [step for step in first if step in second]
    apart = [step for step in both if _differing(first[step], second[step], "/")]
    name, rows, remarks = "curve", [], []
    if apart:
        name = f"curve at step {apart[0]}"
        rows = _differing(first[apart[0]], second[apart[0]], "/")
        remarks.append(
            f"the first of {len(apart)} steps that differ, of {len(both)} that both have"
        )
    for which, own, other in (("first", first, second), ("second", second, first)):
        alone = [step for step in own if step not in other]
        if alone:
            steps = f"steps {alone[0]} to {alone[-1]}, {len(alone)} in all"
            remarks.append(f"only the {which} run has {steps if alone[1:] else f'step {alone[0]}'}")
    return Section(name, rows, remarks, measured=True)


def _compare_weights(first: dict[str, Any], second: dict[str, Any]) -> Section:
    """Compare bits, so that 0 and -0 are two; say how far they are apart in numbers."""
    import torch

    shapes, others = (
        {name: " x ".join(map(str, [*value.shape] or [1])) for name, value in weights.items()}
        for weights in (first, second)
    )
    rows = _differing(shapes, others, "")
    if rows:
        return Section("weights", rows, ["the architecture differs"])

    def same(name: str) -> bool:
        one, other = (weights[name].flatten().view(torch.uint8) for weights in (first, second))
        return torch.equal(one, other)

    def distance(name: str) -> float:
        one, other = first[name].double(), second[name].double()
        equal = (one == other) | (one.isnan() & other.isnan())
        apart = (one - other).abs().nan_to_num(torch.inf, torch.inf)
        return apart.masked_fill(equal, 0.0).max().item()

    apart = {name: distance(name) for name in first if not same(name)}
    if not apart:
        return Section("weights")
    place = max(apart, key=lambda name: apart[name])
    most = f"the largest absolute difference is {apart[place]:.4g}, in {place}"
    return Section("weights", remarks=[f"{len(apart)} of {len(first)} tensors differ; {most}"])


def _pairs(first: Any, second: Any, separator: str, path: str = "") -> Iterator[Row]:
    """Walk through two trees at once; what one has as null, or not at all, has no branches."""
    there = [tree for tree in (first, second) if tree is not None and tree is not _ABSENT]
    if there and all(isinstance(tree, dict) for tree in there):
        first, second = (tree if isinstance(tree, dict) else {} for tree in (first, second))
        for key in {**first, **second}:
            inner = f"{path}{separator}{key}" if path else str(key)
            yield from _pairs(first.get(key, _ABSENT), second.get(key, _ABSENT), separator, inner)
    else:
        yield Row(path, first, second)


def _differing(first: Any, second: Any, separator: str) -> list[Row]:
    return [row for row in _pairs(first, second, separator) if row.differs]


class _Part(NamedTuple):
    """A part of a run: what holds it, how it is read (`None`: not there) and compared."""

    source: str
    read: Callable[[Run], Any]
    compare: Callable[[Any, Any], Section]


PARTS = {
    "settings": _Part("config.yaml", _config, _compare_configs),
    "versions": _Part("run.json", _versions, _compare_versions),
    "fingerprint": _Part("a fingerprint in run.json", _fingerprint, _compare_fingerprints),
    "results": _Part("results.json", _results, _compare_results),
    "curve": _Part("metrics.csv", _curve, _compare_curves),
    "weights": _Part("checkpoints/best.ckpt", _weights, _compare_weights),
}
"""The parts of a run that are compared."""


# How it is said.


def _heading(first: Run, second: Run) -> str:
    """Name the two runs, with what may differ between runs that are the same."""
    runs = {"first": first, "second": second}
    lines = _aligned([(name, str(run.path), _circumstances(run)) for name, run in runs.items()])
    one, other = ((_card(run) or _UNKNOWN).get("command", []) for run in runs.values())
    for name, words, others in (("first", one, other), ("second", other, one)):
        if own := join(word for word in words if word not in others):
            lines.append(brief(printable(f"only the {name} command has {own}"), _WIDTH))
    return "\n".join(lines)


def _circumstances(run: Run) -> str:
    card = _card(run) or _UNKNOWN
    seconds = card.get("seconds")
    sessions = len(card.get("sessions", []))
    facts = [
        card["status"],
        card.get("started", "")[:19].replace("T", " "),
        f"{seconds:,.1f} s" if seconds is not None else "",
        f"{sessions} sessions" if sessions > 1 else "",
    ]
    return ", ".join(filter(None, facts))


def _block(section: Section) -> str:
    """Lay out a section: a table of its rows, then its sentences."""
    lines = [section.name]
    if section.rows:
        columns = ("first", "second", *(["difference"] if section.measured else []))
        spell = _measured if section.measured else _spelt
        cells = [(f"  {row.name}", *spell(row)) for row in section.rows]
        lines = _aligned([(section.name, *columns), *cells])
    fill = partial(wrap, width=_WIDTH, initial_indent="  ", subsequent_indent="    ")
    remarks = map(printable, [*section.remarks, *section.caveats])
    return "\n".join([*lines, *chain(*map(fill, remarks))])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pad columns; a second cell too wide to leave room for the others begins a line below it."""
    rows = [[printable(cell) for cell in row] for row in rows]
    name, _, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    room = max(_WIDTH - name - sum(rest) - 2 * (len(rest) + 1), len("first"))
    inner = max((len(row[1]) for row in rows if len(row[1]) <= room), default=0)
    pieces = chain(
        *([row] if len(row[1]) <= room else [row[:2], ("", "", *row[2:])] for row in rows)
    )
    widths = (name, inner, *rest)
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(piece, widths, strict=False)).rstrip()
        for piece in pieces
    ]


def _spelt(row: Row) -> tuple[str, str]:
    """Spell two settings; 1 and the text "1" look the same without their quotes."""
    return _apart(row, [_plain, _exact])


def _measured(row: Row) -> tuple[str, str, str]:
    """Spell two numbers in as many digits as it takes to tell them apart, and their difference."""
    texts = _apart(row, [partial(_rounded, digits=digits) for digits in range(4, 18)])
    if not row.differs:
        return *texts, "0"
    if not all(isinstance(value, int | float) and value == value for value in row[1:]):
        return *texts, ""
    difference = row.second - row.first
    return *texts, f"{difference:+.4g}" if isinstance(difference, float) else f"{difference:+}"


def _apart(row: Row, ways: Sequence[Callable[[Any], str]]) -> tuple[str, str]:
    """Spell two values the first way that tells them apart, if they are."""
    for way in ways:
        texts = way(row.first), way(row.second)
        if texts[0] != texts[1] or not row.differs:
            break
    return texts


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value and value.isprintable() else _exact(value)


def _exact(value: Any) -> str:
    return "-" if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def _rounded(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else _exact(value)
