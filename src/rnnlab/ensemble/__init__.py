"""Trains N runs as one batched model, if they differ only in settings that can be stacked."""

from rnnlab.ensemble.groups import Group, find_groups
from rnnlab.ensemble.training import Ended, train_group

__all__ = ["Ended", "Group", "find_groups", "train_group"]
