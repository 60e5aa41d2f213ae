"""Scores of a trained model on held-out data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rnnlab.commands.arguments import refuse_training_settings, split_words
from rnnlab.commands.train import open_run
from rnnlab.config.arguments import Settings, as_overrides
from rnnlab.errors import ConfigError
from rnnlab.process.output import note
from rnnlab.process.untouched import process_untouched
from rnnlab.runs.html import table, text
from rnnlab.runs.run import Run
from rnnlab.runs.scores import score_lines, score_rows

FIELDS: Mapping[str, Any] = {"split": Literal["val", "test"], "checkpoint": Literal["best", "last"]}
"""Keys of the command with their annotations."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model on a split.

    Attributes:
        split: `val` or `test`.
        checkpoint: `best` or `last`.
        overrides: the settings that were changed.
        metrics: metric -> score; one with `free_` before its name was scored in free running.
        floor: metric -> the score without learning or memory.
        breakdown: name of a table -> group of sequences -> score, such as scores by length.
    """

    split: str
    checkpoint: str
    overrides: Sequence[str]
    metrics: Mapping[str, float]
    floor: Mapping[str, float]
    breakdown: Mapping[str, Mapping[str, float]]

    def __str__(self) -> str:
        lines = score_lines(self._columns)
        for name, groups in self.breakdown.items():
            if groups:
                width = max(len(group) for group in groups)
                lines += ["", name]
                lines += [f"  {group:>{width}}  {value:.4g}" for group, value in groups.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [table(score_rows(self._columns))]
        for name, groups in self.breakdown.items():
            rows = [[group, f"{value:.4g}"] for group, value in groups.items()]
            parts += [f"<p>{text(name)}</p>", table([["", ""], *rows])] if rows else []
        return "\n".join(parts)

    @property
    def _columns(self) -> Mapping[str, Mapping[str, float]]:
        return {self.split: self.metrics, "floor": self.floor}


@process_untouched()
def evaluate(
    run: Run | str | Path,
    *settings: Settings,
    split: Literal["val", "test"] = "test",
    checkpoint: Literal["best", "last"] = "best",
    **named: Any,
) -> Evaluation:
    """Score a trained model on held-out data, also at other lengths than trained.

    The scores are also added to `evaluations.jsonl` in the run directory.

    Args:
        run: the run, or its directory.
        *settings: settings of the run's task, data or threads to change, in any form that `train`
            takes.
        split: `test` or `val`.
        checkpoint: `best` or `last`.
        **named: as for `train`.

    Returns:
        The scores, beside the task's floors.

    Raises:
        ConfigError: a setting is wrong, or a file of the run is missing or damaged.

    Example:
        >>> rnnlab.evaluate(run, {"task.delay": 40}).metrics["accuracy"]
    """
    given = {"split": split, "checkpoint": checkpoint}
    own, overrides = split_words(as_overrides(settings, named), FIELDS, given)
    refuse_training_settings(overrides)
    run = open_run(run)
    run.file("evaluations.jsonl")  # raises if it is a link out of the directory

    from rnnlab.inference.evaluate import evaluate  # with torch, which a mistake needn't wait for
    from rnnlab.process.arithmetic import arithmetic

    experiment = run.open(overrides, own["checkpoint"])
    with arithmetic(experiment.cfg):
        scored = evaluate(experiment.model, experiment.task, experiment.batches(own["split"]))
    found = Evaluation(
        split=own["split"],
        checkpoint=own["checkpoint"],
        overrides=overrides,
        metrics=scored.compute(),
        floor=dict(experiment.task.floor),
        breakdown=scored.breakdown(),
    )
    try:
        run.append_line("evaluations.jsonl", asdict(found))
    except ConfigError as error:  # not fatal, since the scores are known
        note(f"rnnlab-evaluate: warning: {error}")
    return found
