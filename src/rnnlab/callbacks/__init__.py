"""What watches training."""

from rnnlab.callbacks.checkpoints import Checkpoints
from rnnlab.callbacks.finite import Finite
from rnnlab.callbacks.progress import Progress
from rnnlab.callbacks.pruning import Pruning
from rnnlab.callbacks.showcase import Showcase
from rnnlab.callbacks.signals import Listening
from rnnlab.callbacks.telemetry import Telemetry
from rnnlab.callbacks.watch import Watch

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
