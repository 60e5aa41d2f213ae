"""Comparison of two runs: settings, versions, results, learning curves and weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from rnnlab.files.untrusted import RunCard
from rnnlab.runs.run import Run

ABSENT: Any = object()
"""The value of a setting that a run doesn't have; not None, which a setting may be."""
_FACTS = ("git", "platform", "processor", "device", "threads", "determinism")
_NAMES = ("task", "model")  # keys of results.json that are not results
_METRICS = ("train/", "val/", "test/")  # not SPLITS, whose module imports torch


class Row(NamedTuple):
    """A setting, version or metric, and its value in each run."""

    name: str
    first: Any
    second: Any

    @property
    def differs(self) -> bool:
        """Whether the values differ; NaN equals NaN."""
        both_nan = self.first != self.first and self.second != self.second
        return not both_nan and bool(self.first != self.second)


@dataclass(frozen=True)
class Section:
    """The differences in a part of two runs, such as their settings.

    Args:
        name: title, with the name of the part.
        rows: values that differ, or belong to those that do.
        remarks: further differences, as sentences.
        caveats: why the part may differ although no difference was found.
        measured: whether the rows hold measurements, so that a difference can be printed.
    """

    name: str
    rows: Sequence[Row] = ()
    remarks: Sequence[str] = ()
    caveats: Sequence[str] = ()
    measured: bool = False

    @property
    def differs(self) -> bool:
        """Whether the runs differ in this part."""
        return bool(self.rows or self.remarks)


def compare(first: Run, second: Run, parts: Sequence[str]) -> list[Section]:
    """Compare parts of two runs; a part that only one of them has is a difference.

    Args:
        first: a run.
        second: another run.
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


# Readers of the parts of a run; `None` if the run doesn't have the part yet.


def _config(run: Run) -> dict[str, Any]:
    """Return the settings without `output_dir`, which doesn't change a run."""
    config = OmegaConf.to_container(run.config)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items() if key != "output_dir"}


def read_card(run: Run) -> RunCard | None:
    """Read the run card of a run, or return `None` if it has none."""
    return run.card if run.file("run.json").is_file() else None


def _versions(run: Run) -> dict[str, Any] | None:
    card = read_card(run)
    if card is None:
        return None
    facts = {name: value for name, value in card.items() if name in _FACTS}
    return {"python": card.get("python"), **card.get("versions", {}), **facts}


def _fingerprint(run: Run) -> str | None:
    card = read_card(run)
    return card.get("fingerprint") if card else None


def _results(run: Run) -> dict[str, Any] | None:
    return {**run.results} if run.file("results.json").is_file() else None


def _curve(run: Run) -> dict[int, dict[str, float]] | None:
    if not run.file("metrics.csv").is_file():
        return None
    return {int(row.pop("step")): row for row in run.rows}


def _weights(run: Run) -> dict[str, Any] | None:
    from rnnlab.files import checkpoint  # imports torch, which takes longer than all the rest

    path = run.file(f"checkpoints/{checkpoint.BEST}")
    if not path.is_file():
        return None
    state = checkpoint.read(path)["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items()}


# Comparisons of the parts.


def _compare_configs(first: dict[str, Any], second: dict[str, Any]) -> Section:
    """List settings that differ, after the group choices that differ; choices alone don't count."""
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
    """Compare the fingerprints of the tasks, such as the alphabets of two text files."""
    if first == second:
        return Section("fingerprint")
    rows = [Row("of the task", first, second)]
    return Section("fingerprint", rows, ["its sizes differ, or what its symbols mean"])


def _compare_results(first: dict[str, Any], second: dict[str, Any]) -> Section:
    """List all metrics, other results that differ, and the names of breakdowns that differ."""
    rows = [row for row in _pairs(first, second, "/") if row.name not in _NAMES]
    inner = [row for row in rows if row.name.startswith("breakdown/")]
    tables = dict.fromkeys(row.name.split("/")[1] for row in inner if row.differs)
    rows = [row for row in rows if row not in inner]
    if any(row.differs for row in rows):
        rows = [row for row in rows if row.differs or row.name.startswith(_METRICS)]
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
    """Compare weights bit for bit (0 and -0 differ), and find the largest difference."""
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
    worst = max(apart, key=lambda name: apart[name])
    most = f"the largest absolute difference is {apart[worst]:.4g}, in {worst}"
    return Section("weights", remarks=[f"{len(apart)} of {len(first)} tensors differ; {most}"])


def _pairs(first: Any, second: Any, separator: str, path: str = "") -> Iterator[Row]:
    """Walk through two nested dicts at once, and yield a row for each leaf.

    A dict that is null or missing in one of the two counts as empty there.
    """
    present = [tree for tree in (first, second) if tree is not None and tree is not ABSENT]
    if present and all(isinstance(tree, dict) for tree in present):
        first, second = (tree if isinstance(tree, dict) else {} for tree in (first, second))
        for key in {**first, **second}:
            inner = f"{path}{separator}{key}" if path else str(key)
            yield from _pairs(first.get(key, ABSENT), second.get(key, ABSENT), separator, inner)
    else:
        yield Row(path, first, second)


def _differing(first: Any, second: Any, separator: str) -> list[Row]:
    return [row for row in _pairs(first, second, separator) if row.differs]


class _Part(NamedTuple):
    """A part of a run that is compared.

    Attributes:
        source: its file, for messages.
        read: reads it; `None` if the run doesn't have it.
        compare: compares it in two runs.
    """

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
