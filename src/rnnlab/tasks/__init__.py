"""Tasks: a spec, batches, scores, and a thing to look at."""

from rnnlab.tasks.base import Mean, Scorer, Task
from rnnlab.tasks.copy import Copy, CopyRepeat, CopyReverse
from rnnlab.tasks.next_char import NextChar

__all__ = ["Copy", "CopyRepeat", "CopyReverse", "Mean", "NextChar", "Scorer", "Task"]
