"""When a checkpoint is due."""

import time


class SaveSchedule:
    """Checkpoints every so many updates, and never further apart than some minutes.

    Args:
        every: updates between checkpoints, or `None`.
        minutes: the longest time between two, or `None`.
    """

    def __init__(self, every: int | None, minutes: float | None) -> None:
        self.every = every
        self.minutes = minutes
        self.restart()

    def is_due(self, step: int) -> bool:
        """Return whether to save after `step` updates."""
        by_step = self.every is not None and step > 0 and step % self.every == 0
        age = time.monotonic() - self._saved_at
        return by_step or (self.minutes is not None and age > self.minutes * 60)

    def restart(self) -> None:
        """Measure the time to the next checkpoint from now on."""
        self._saved_at = time.monotonic()
