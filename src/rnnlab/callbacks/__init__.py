"""What watches training."""

from rnnlab.callbacks.checkpoints import Checkpoints
from rnnlab.callbacks.finite import Finite
from rnnlab.callbacks.progress import Progress
from rnnlab.callbacks.showcase import Showcase
from rnnlab.callbacks.signals import Signals, Stopped
from rnnlab.callbacks.telemetry import Telemetry

__all__ = ["Checkpoints", "Finite", "Progress", "Showcase", "Signals", "Stopped", "Telemetry"]
