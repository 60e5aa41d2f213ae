"""What watches training."""

from rnnlab.training.callbacks.checkpoints import Checkpoints
from rnnlab.training.callbacks.finite import Finite
from rnnlab.training.callbacks.progress import Progress
from rnnlab.training.callbacks.pruning import Pruning
from rnnlab.training.callbacks.showcase import Showcase
from rnnlab.training.callbacks.signals import Listening
from rnnlab.training.callbacks.telemetry import Telemetry
from rnnlab.training.callbacks.watch import Watch

__all__ = [
    "Checkpoints",
    "Finite",
    "Listening",
    "Progress",
    "Pruning",
    "Showcase",
    "Telemetry",
    "Watch",
]
