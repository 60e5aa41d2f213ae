"""rnnlab: build, train, compare and look inside recurrent sequence models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnlab.commands.sweep import Sweep, sweep
    from rnnlab.commands.train import compose, load, resume, train
    from rnnlab.runs.run import Run

__version__ = "0.1.0"
__all__ = ["Run", "Sweep", "compose", "load", "resume", "sweep", "train"]
_PLACES = {
    "Run": "rnnlab.runs.run",
    **dict.fromkeys(("Sweep", "sweep"), "rnnlab.commands.sweep"),
    **dict.fromkeys(("compose", "load", "resume", "train"), "rnnlab.commands.train"),
}
"""Name -> the module that has it, imported when it is asked for: `import rnnlab` takes no time."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'rnnlab' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
