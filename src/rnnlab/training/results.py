"""What a finished run writes down: final scores, samples, settings beside them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.inference.evaluate import evaluate
from rnnlab.inference.show import show_samples
from rnnlab.runs.loggers import Events, png
from rnnlab.runs.run import Run
from rnnlab.spelling import printable


class Scores(NamedTuple):
    """What the best weights scored on held-out data, and on test data group by group."""

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


def write_outcome(
    run: Run, experiment: Experiment, scores: Scores, steps: int, events: Events
) -> None:
    """Write down what training came to.

    Args:
        run: where to.
        experiment: with the best weights.
        scores: theirs.
        steps: updates done.
        events: shows it too.
    """
    results = {
        "task": experiment.cfg.choices["task"],
        "model": experiment.cfg.choices["model"],
        "train": _last(run, "train/"),
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
    events.log_settings(experiment.cfg, on_test(scores))
    events.log_metrics(on_test(scores), steps)
    events.write()


def on_test(scores: Scores) -> dict[str, float]:
    """Give the scores on test data by the names that loggers know."""
    return {f"test/{name}": value for name, value in scores.test.items()}


def _write_samples(run: Run, experiment: Experiment, events: Events, step: int) -> None:
    """Write what the task shows of the first test batch: texts in one file, pictures as such."""
    batch = next(iter(experiment.batches("test")))
    texts = []
    for name, thing in show_samples(experiment.model, experiment.task, batch).items():
        if isinstance(thing, str):
            events.show(f"test/{name}", thing, step)
            shown = printable(thing, lines=True)
            texts.append(f"## {name}\n\n{_fenced(shown)}\n")
        else:
            data = png(thing)
            events.show_picture(f"test/{name}", data, thing.size, step)
            run.figure(f"{name}.png").write_bytes(data)
            texts.append(f"## {name}\n\n![{name}](figures/{name}.png)\n")
    run.file("samples.md").write_text("\n".join(texts), encoding="utf-8")


def _fenced(text: str) -> str:
    """Give a code block of Markdown, between rows of more backticks than the text has in any."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _last(run: Run, prefix: str) -> dict[str, float]:
    """Give the last training scalars by their plain names."""
    rows = [row for row in run.curve if any(name.startswith(prefix) for name in row)]
    return {
        name.removeprefix(prefix): value
        for name, value in (rows[-1] if rows else {}).items()
        if name.startswith(prefix)
    }
