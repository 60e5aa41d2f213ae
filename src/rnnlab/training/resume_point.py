"""Where a resumed run continues: its newest intact checkpoint, and which settings may change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import apply_overrides, flat
from rnnlab.errors import ConfigError, Damaged
from rnnlab.files import checkpoint
from rnnlab.process.output import note
from rnnlab.runs.metrics_csv import CSVLog, parse_curve, read_curve
from rnnlab.runs.named_files import changed_files, same_files
from rnnlab.runs.run import Run
from rnnlab.runs.tensorboard import Events

MAY_CHANGE = (
    "trainer.max_steps",
    "trainer.max_sequences",
    "trainer.max_minutes",
    "trainer.val_every",
    "trainer.log_every",
    "trainer.save_every",
    "trainer.save_minutes",
    "trainer.patience",
    "trainer.accelerator",
    "trainer.deterministic",
    "trainer.profile",
    "threads",
    "flush_denormals",
    "watch",
    "watch_every",
)
"""Keys that may change on resume: budgets, devices, and what is logged."""


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint that training continues from, and what was logged up to it.

    Attributes:
        file: path of the checkpoint, or `None` at the start of training.
        step: number of updates done.
        config: the config that the checkpoint was trained with.
        rows: rows of `metrics.csv` up to that step.
        records: number of TensorBoard records up to that step; `None` if it is unknown.
    """

    file: str | None
    step: int
    config: dict[str, Any]
    rows: Sequence[Mapping[str, float]] = ()
    records: int | None = None


START = ResumePoint(None, 0, {})


def log_state(curve: CSVLog, events: Events, step: int) -> dict[str, Any]:
    """Return what was logged up to a step, as its checkpoint stores it."""
    return {"curve": curve.text(step), "records": events.count(step)}


def find_resume_point(run: Run) -> ResumePoint:
    """Find the newest intact checkpoint, and make it `last.ckpt` if it is the previous one.

    A checkpoint also holds the rows of `metrics.csv`, from which a changed or damaged file is
    rewritten, with a message.

    Raises:
        ConfigError: there are checkpoints, but none that can be read, or `metrics.csv` can't be
            replaced.
    """
    if run.file("metrics.csv").is_dir():
        raise ConfigError(f"{run.path / 'metrics.csv'} is a directory: move it away to go on")
    last = run.file(f"checkpoints/{checkpoint.LAST}")
    previous = run.file(f"checkpoints/{checkpoint.PREVIOUS}")
    problems = []
    for path in (last, previous):
        if not path.exists():
            continue
        try:
            content = checkpoint.read(path)
            step, logged = int(content["global_step"]), dict(content.get("written") or {})
            point = ResumePoint(
                str(last),
                step,
                dict(content["config"]),
                _rows(run, step, logged.get("curve")),
                int(logged["records"]) if logged else None,
            )
        except (Damaged, KeyError, TypeError, ValueError) as error:
            problems.append(str(error))
            continue
        for problem in problems:
            note(f"{problem}: going on from update {point.step}")
        if path is previous:
            previous.replace(last)  # or the next save would keep the damaged one
        return point
    if problems:
        raise ConfigError(
            "\n".join([*problems, "resume needs a whole checkpoint: init_from may use best.ckpt"])
        )
    return START


def _rows(run: Run, step: int, text: str | None) -> list[dict[str, float]]:
    """Return the rows up to a step, from the checkpoint if it has them, else from the file.

    Args:
        run: the run.
        step: number of updates done.
        text: the `metrics.csv` in the checkpoint, or `None`.
    """
    path = run.file("metrics.csv")
    try:
        on_disk = [row for row in read_curve(path) if row["step"] <= step] if path.exists() else []
        problem = f"{path} lacks what was logged up to update {step}, or holds something else"
    except Damaged as error:
        on_disk, problem = [], str(error)
    rows = on_disk if text is None else parse_curve(text, "the curve in the checkpoint")
    if repr(rows) != repr(on_disk):  # as text NaN equals itself
        note(f"{problem}: written anew from the checkpoint")
    elif text is None and not rows:
        note(f"{problem}: the curve begins anew")
    return rows


def resume_config(run: Run, overrides: list[str]) -> DictConfig:
    """Apply overrides to the config of a run.

    A choice of a config group is accepted if the run has the same, so that the command that
    started the run also works with `resume=` added.

    Raises:
        ConfigError: an override is not readable, is not a setting, or changes a choice.
    """
    choices = OmegaConf.to_container(run.config.get("choices") or OmegaConf.create())
    assert isinstance(choices, dict)
    settings, problems = [], []
    for override in overrides:
        key, _, value = override.partition("=")
        if key not in choices:
            settings.append(override)
        elif value != str(choices[key]):
            problems.append(f"{override} is not what the run has: {key}={choices[key]}")
    if problems:
        raise ConfigError("\n".join([*problems, _ADVICE]))
    return apply_overrides(run.config, settings)


def check_changes(cfg: DictConfig, point: ResumePoint) -> None:
    """Refuse a config that differs from the checkpoint's in more than `MAY_CHANGE`.

    Raises:
        ConfigError: it names the keys that differ.
    """
    if point.file is None:
        return
    lost = [*changed_files(OmegaConf.create(point.config), cfg).values()]
    if lost:
        raise ConfigError("\n".join([*lost, "init_from=DIR begins a new run on another file"]))
    old, new = (
        {key: value for key, value in flat(tree).items() if key.partition(".")[0] not in _RECORDED}
        for tree in (point.config, OmegaConf.to_container(cfg, resolve=True))
    )
    allowed = (*MAY_CHANGE, *same_files(point.config, cfg))
    problems = [
        f"resume can't change {key}: the checkpoint has {old.get(key)!r}, got {new.get(key)!r}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key) and key not in allowed
    ]
    if problems:
        raise ConfigError("\n".join([*problems, _ADVICE]))


_RECORDED = ("choices", "files")  # keys that rnnlab fills in, not the user
_ADVICE = (
    f"resume may change only {', '.join(MAY_CHANGE)}; init_from=DIR begins a new run with the "
    "weights of an old one"
)
