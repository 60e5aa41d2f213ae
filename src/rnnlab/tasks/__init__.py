"""Tasks: a spec, batches, scores, and a thing to look at."""

from rnnlab.tasks.base import Mean, Scorer, Task
from rnnlab.tasks.copy import Copy, CopyRepeat, CopyReverse

__all__ = ["Copy", "CopyRepeat", "CopyReverse", "Mean", "Scorer", "Task"]
