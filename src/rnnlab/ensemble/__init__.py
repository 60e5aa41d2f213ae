"""N runs that differ only in what can be stacked, trained as one batched model."""

from rnnlab.ensemble.joining import Group, joinable
from rnnlab.ensemble.training import Ended, train_group

__all__ = ["Ended", "Group", "joinable", "train_group"]
