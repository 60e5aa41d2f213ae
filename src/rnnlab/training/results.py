"""The results of a finished run: final scores, and samples of the test data."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.inference.evaluate import evaluate
from rnnlab.inference.show import show_samples
from rnnlab.metric import FINAL
from rnnlab.plots.draw import sign
from rnnlab.runs.run import Run
from rnnlab.runs.tensorboard import Events, png
from rnnlab.spelling import printable


class Scores(NamedTuple):
    """Metrics of the best weights.

    Attributes:
        val: on validation data.
        test: on test data.
        breakdown: on groups of test data: name -> group -> score.
    """

    val: Mapping[str, float]
    test: Mapping[str, float]
    breakdown: Mapping[str, Mapping[str, float]]


def final_scores(experiment: Experiment) -> Scores:
    """Score the best weights on validation and test data."""
    val, test = (
        evaluate(experiment.model, experiment.task, experiment.batches(split))
        for split in ("val", "test")
    )
    return Scores(val.compute(), test.compute(), test.breakdown())


def write_results(
    run: Run, experiment: Experiment, scores: Scores, steps: int, events: Events
) -> None:
    """Write `results.json`, samples, and both to TensorBoard.

    Args:
        run: the run.
        experiment: its experiment, with the best weights loaded.
        scores: metrics of these weights.
        steps: updates done.
        events: the run's TensorBoard events.
    """
    results = {
        "task": experiment.cfg.choices["task"],
        "model": experiment.cfg.choices["model"],
        "train": _last_logged(run, "train/"),
        "val": scores.val,
        "test": scores.test,
        "floor": dict(experiment.task.floor),
        "higher_is_better": dict(experiment.task.higher_is_better),
        "breakdown": scores.breakdown,
        "parameters": experiment.num_parameters,
        "steps": steps,
        "best_step": checkpoint.read(run.file(f"checkpoints/{checkpoint.BEST}"))["global_step"],
        "sequences": steps * experiment.data.train_rows * experiment.training.accumulate,
    }
    run.write_json("results.json", results)
    _write_samples(run, experiment, events, steps)
    events.log_final(experiment.cfg, metrics_on_test(scores), steps)
    events.write()


def metrics_on_test(scores: Scores) -> dict[str, float]:
    """Return the metrics on test data with the prefix `test/`."""
    return {f"test/{name}": value for name, value in scores.test.items()}


def _write_samples(run: Run, experiment: Experiment, events: Events, step: int) -> None:
    """Write what the task shows of the first test batch to `samples.md` and `figures/`."""
    batch = next(iter(experiment.batches("test")))
    texts = []
    for name, thing in show_samples(experiment.model, experiment.task, batch).items():
        if isinstance(thing, str):
            events.show(f"{FINAL}test_{name}", thing, step)
            shown = printable(thing, lines=True)
            texts.append(f"## {name}\n\n{_fenced(shown)}\n")
        else:
            signed = sign(thing, run.subject)
            data = png(signed)
            events.show_picture(f"{FINAL}test_{name}", data, signed.size, step)
            run.figure(f"{name}.png").write_bytes(data)
            texts.append(f"## {name}\n\n![{name}](figures/{name}.png)\n")
    run.file("samples.md").write_text("\n".join(texts), encoding="utf-8")


def _fenced(text: str) -> str:
    """Return a code block of Markdown, whose fence is longer than any backticks in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _last_logged(run: Run, prefix: str) -> dict[str, float]:
    """Return the last logged scalars with a prefix, which is removed."""
    rows = [row for row in run.rows if any(name.startswith(prefix) for name in row)]
    return {
        name.removeprefix(prefix): value
        for name, value in (rows[-1] if rows else {}).items()
        if name.startswith(prefix)
    }
