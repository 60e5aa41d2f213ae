"""Run directories as training leaves them, made without training."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rnnlab.runs.curve import spell_curve
from rnnlab.runs.run import FORMAT, Run
from rnnlab.tasks.base import Task


def fabricate(
    sweep: Path,
    words: Mapping[str, Any],
    scores: Mapping[str, float] | None = None,
    *,
    status: str = "finished",
    floor: Mapping[str, float] | None = None,
    higher: Mapping[str, bool] | None = None,
    curve: list[dict[str, float]] | None = None,
    knows_words: bool = True,
    name: str | None = None,
    **card: Any,
) -> Run:
    """Write a run with these words; `scores` are of the test, with which it is finished."""
    config = OmegaConf.create(
        {"seed": 0, "monitor": "val/loss", "output_dir": str(sweep), "choices": {}, "files": {}}
    )
    for key, value in words.items():
        choice = key in ("model", "task", "experiment")
        OmegaConf.update(config, f"choices.{key}" if choice else key, value, force_add=True)
    digest = hashlib.sha256(json.dumps(dict(words)).encode()).hexdigest()[:12]
    run = Run(sweep / (name or digest))
    run.path.mkdir(parents=True)
    run.file("config.yaml").write_text(OmegaConf.to_yaml(config), encoding="utf-8")
    told = {"overrides": {k: str(v) for k, v in words.items()}} if knows_words else {}
    sessions = [{"last_step": 40, "status": status}]
    known = {"format": FORMAT, "status": status, "seconds": 2.5, "sessions": sessions}
    run.write_json("run.json", known | told | card)
    scores = scores or {"loss": 1.0}
    if curve is None:
        rows = [math.exp(-step / 100) + scores.get("loss", 0.0) for step in range(0, 500, 100)]
        curve = [{"step": 100 * i, "val/loss": value} for i, value in enumerate(rows)]
    text = spell_curve(list(curve[0]) if curve else ["step"], curve)
    run.file("metrics.csv").write_text(text, encoding="utf-8")
    if status == "finished":
        run.write_json(
            "results.json",
            {
                "task": str(words.get("task", "copy")),
                "model": str(words.get("model", "elman")),
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


def fail(sweep: Path, name: str, words: str, status: str, error: str) -> None:
    """Write down a job that failed, as a sweep does."""
    overrides = dict(word.partition("=")[::2] for word in words.split())
    entry = {"overrides": overrides, "status": status, "error": error}
    (sweep / "failures").mkdir(parents=True, exist_ok=True)
    (sweep / "failures" / f"{name}.json").write_text(json.dumps(entry) + "\n", encoding="utf-8")
