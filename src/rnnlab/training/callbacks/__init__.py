"""Lightning callbacks of a training: checkpoints, divergence, signals, pruning and logging."""

from rnnlab.training.callbacks.checkpoints import Checkpoints
from rnnlab.training.callbacks.divergence import DivergenceCheck
from rnnlab.training.callbacks.progress import Progress
from rnnlab.training.callbacks.pruning import Pruning
from rnnlab.training.callbacks.showcase import Showcase
from rnnlab.training.callbacks.signal_handling import SignalHandling
from rnnlab.training.callbacks.telemetry import Telemetry
from rnnlab.training.callbacks.watch import Watch

__all__ = [
    "Checkpoints",
    "DivergenceCheck",
    "Progress",
    "Pruning",
    "Showcase",
    "SignalHandling",
    "Telemetry",
    "Watch",
]
