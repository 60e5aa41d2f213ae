"""What a finished run writes down: final scores, samples, settings beside them."""

import lightning.pytorch as L

from rnnlab import checkpoint
from rnnlab.csv_log import CSVLog
from rnnlab.evaluation import evaluate
from rnnlab.exhibits import exhibits
from rnnlab.experiment import Experiment
from rnnlab.loggers import Events
from rnnlab.run import Run
from rnnlab.timings import timings


def write_outcome(
    run: Run,
    experiment: Experiment,
    trainer: L.Trainer,
    seconds: float,
) -> None:
    """Score the best weights on validation and test data, and write everything down.

    Args:
        run: where to.
        experiment: with the best weights.
        trainer: has trained it.
        seconds: of this process's training.
    """
    val, test = (
        evaluate(experiment.model, experiment.task, experiment.batches(split))
        for split in ("val", "test")
    )
    steps = trainer.global_step
    results = {
        "task": experiment.cfg.choices["task"],
        "model": experiment.cfg.choices["model"],
        "train": _last(run, "train/"),
        "val": val.compute(),
        "test": test.compute(),
        "floor": dict(experiment.task.floor),
        "breakdown": test.breakdown(),
        "parameters": experiment.num_parameters,
        "steps": steps,
        "best_step": checkpoint.read(run.file(f"checkpoints/{checkpoint.BEST}"))["global_step"],
        "sequences": steps * experiment.cfg.data.batch_size * experiment.training.accumulate,
    }
    run.write_json("results.json", results)
    scores = {f"test/{name}": value for name, value in results["test"].items()}
    for logger in trainer.loggers:
        if isinstance(logger, Events):
            _write_samples(run, experiment, logger, steps)
            logger.log_settings(experiment.cfg, scores)
        if not isinstance(logger, CSVLog):  # a curve of training
            logger.log_metrics(scores, step=steps)
    if experiment.training.profile:
        durations = trainer.profiler.recorded_durations  # type: ignore[attr-defined]
        lines = timings(durations, seconds)
        run.file("profile.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_samples(run: Run, experiment: Experiment, events: Events, step: int) -> None:
    """Write what the task shows of the first test batch: texts in one file, pictures as such."""
    batch = next(iter(experiment.batches("test")))
    texts = []
    for name, thing in exhibits(experiment.model, experiment.task, batch).items():
        events.show(f"test/{name}", thing, step)
        if isinstance(thing, str):
            texts.append(f"## {name}\n\n```\n{thing}\n```\n")
        else:
            thing.save(run.figure(f"{name}.png"))
            texts.append(f"## {name}\n\n![{name}](figures/{name}.png)\n")
    run.file("samples.md").write_text("\n".join(texts), encoding="utf-8")


def _last(run: Run, prefix: str) -> dict[str, float]:
    """Give the last training scalars by their plain names."""
    rows = [row for row in run.curve if any(name.startswith(prefix) for name in row)]
    return {
        name.removeprefix(prefix): value
        for name, value in (rows[-1] if rows else {}).items()
        if name.startswith(prefix)
    }
