"""Fake run directories and failures for tests, written without training."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rnnlab.runs.metrics_csv import format_curve
from rnnlab.runs.new_run import FORMAT
from rnnlab.runs.run import Run
from rnnlab.tasks.base import Task


def fabricate(
    sweep: Path,
    overrides: Mapping[str, Any],
    scores: Mapping[str, float] | None = None,
    *,
    status: str = "finished",
    floor: Mapping[str, float] | None = None,
    higher: Mapping[str, bool] | None = None,
    curve: list[dict[str, float]] | None = None,
    with_overrides: bool = True,
    name: str | None = None,
    **card: Any,
) -> Run:
    """Write a run directory.

    Args:
        sweep: directory in which the run is made.
        overrides: override -> value, applied to the config and recorded in `run.json`.
        scores: validation and test scores of a finished run.
        status: status of the run.
        floor: metric -> score without memory or learning.
        higher: metric -> whether higher is better; by default as `Task` declares.
        curve: rows of metrics.csv.
        with_overrides: whether `run.json` records the overrides.
        name: name of the run directory.
        card: further entries of `run.json`.
    """
    config = OmegaConf.create(
        {"seed": 0, "monitor": "val/loss", "output_dir": str(sweep), "choices": {}, "files": {}}
    )
    for key, value in overrides.items():
        choice = key in ("model", "task", "experiment")
        OmegaConf.update(config, f"choices.{key}" if choice else key, value, force_add=True)
    digest = hashlib.sha256(json.dumps(dict(overrides)).encode()).hexdigest()[:12]
    run = Run(sweep / (name or digest))
    run.path.mkdir(parents=True)
    run.file("config.yaml").write_text(OmegaConf.to_yaml(config), encoding="utf-8")
    recorded = {"overrides": {k: str(v) for k, v in overrides.items()}} if with_overrides else {}
    sessions = [{"last_step": 40, "status": status}]
    known = {"format": FORMAT, "status": status, "seconds": 2.5, "sessions": sessions}
    run.write_json("run.json", known | recorded | card)
    scores = scores or {"loss": 1.0}
    if curve is None:
        rows = [math.exp(-step / 100) + scores.get("loss", 0.0) for step in range(0, 500, 100)]
        curve = [{"step": 100 * i, "val/loss": value} for i, value in enumerate(rows)]
    text = format_curve(list(curve[0]) if curve else ["step"], curve)
    run.file("metrics.csv").write_text(text, encoding="utf-8")
    if status == "finished":
        run.write_json(
            "results.json",
            {
                "task": str(overrides.get("task", "copy")),
                "model": str(overrides.get("model", "elman")),
                "train": {"loss": 0.5},
                "val": dict(scores),
                "test": dict(scores),
                "floor": dict(floor or {}),
                "higher_is_better": dict(Task.higher_is_better if higher is None else higher),
                "breakdown": {},
                "parameters": 97,
                "steps": 400,
                "best_step": 300,
                "sequences": 1600,
            },
        )
    return run


def fail(sweep: Path, name: str, overrides: str, status: str, error: str) -> None:
    """Write a failure file, as a sweep does; `overrides` are separated by spaces."""
    values = dict(override.partition("=")[::2] for override in overrides.split())
    entry = {"overrides": values, "status": status, "error": error}
    (sweep / "failures").mkdir(parents=True, exist_ok=True)
    (sweep / "failures" / f"{name}.json").write_text(json.dumps(entry) + "\n", encoding="utf-8")
