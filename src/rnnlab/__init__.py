"""rnnlab: build, train, compare and look inside recurrent sequence models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnlab.commands.analyze import AnalysisResults, analyze
    from rnnlab.commands.evaluate import Evaluation, evaluate
    from rnnlab.commands.export import Exported, export
    from rnnlab.commands.predict import Predictions, predict
    from rnnlab.commands.report import WrittenReport, report
    from rnnlab.commands.reproduce import Reproductions, reproduce
    from rnnlab.commands.runs import FoundRuns, find_runs
    from rnnlab.commands.sample import Samples, sample
    from rnnlab.commands.sweep import Sweep, sweep
    from rnnlab.commands.train import compose, load, resume, train
    from rnnlab.runs.run import Run

__version__ = "0.1.0"
__all__ = [
    "AnalysisResults",
    "Evaluation",
    "Exported",
    "FoundRuns",
    "Predictions",
    "Reproductions",
    "Run",
    "Samples",
    "Sweep",
    "WrittenReport",
    "analyze",
    "compose",
    "evaluate",
    "export",
    "find_runs",
    "load",
    "predict",
    "report",
    "reproduce",
    "resume",
    "sample",
    "sweep",
    "train",
]
_PLACES = {
    "analyze": ("analyze", "AnalysisResults"),
    "evaluate": ("evaluate", "Evaluation"),
    "export": ("export", "Exported"),
    "predict": ("predict", "Predictions"),
    "report": ("report", "WrittenReport"),
    "reproduce": ("reproduce", "Reproductions"),
    "runs": ("find_runs", "FoundRuns"),
    "sample": ("sample", "Samples"),
    "sweep": ("sweep", "Sweep"),
    "train": ("compose", "load", "resume", "train", "Run"),
}
"""Module of `rnnlab.commands` -> names, imported when one is asked for: torch takes seconds."""


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"rnnlab.commands.{module}"), name)
    raise AttributeError(f"module 'rnnlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
