"""Scores of numbers of which only the side of a threshold counts, such as signs and bits."""

from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.tasks.base import Mean, taught


def side_scores(output: Tensor, batch: Batch, threshold: float = 0.0) -> dict[str, Mean]:
    """Return `accuracy`, the share of numbers on the target's side, and `exact_match`.

    That is the share of sequences with all taught numbers of all answered steps on their side.
    """
    asked = taught(batch)
    right = (output > threshold) == (batch.target > threshold)
    whole = (right | ~asked).flatten(1).all(dim=1)
    return {
        "accuracy": Mean((right & asked).sum() / asked.sum(), asked.sum()),
        "exact_match": Mean(whole.float().mean(), whole.new_ones(whole.shape).sum()),
    }
