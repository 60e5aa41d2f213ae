"""What watches training."""

from rnnlab.callbacks.progress import Progress
from rnnlab.callbacks.showcase import Showcase
from rnnlab.callbacks.telemetry import Telemetry

__all__ = ["Progress", "Showcase", "Telemetry"]
