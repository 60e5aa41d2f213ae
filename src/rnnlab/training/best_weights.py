"""The best weights so far, and how long ago they were found."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from rnnlab.metric import Mode, is_better


class BestWeights:
    """Weights with the best validation score so far, which patience and `best.ckpt` go by.

    Args:
        mode: whether a lower or a higher score is better.
        patience: validations without a new best before training stops, or `None`.

    Attributes:
        score: the best score, or `None` before the first validation.
        content: of `best.ckpt`: the weights, and the number of updates before them.
    """

    def __init__(self, mode: Mode, patience: int | None) -> None:
        self.mode: Mode = mode
        self.patience = patience
        self.score: float | None = None
        self.content: dict[str, Any] | None = None
        self._validations_since = 0

    def add(self, score: float, step: int, weights: Callable[[], Mapping[str, Tensor]]) -> bool:
        """Return whether a validation score is the best so far; if so, keep a copy of the weights.

        Args:
            score: the monitored metric.
            step: updates done.
            weights: gives them by their names in the LightningModule.
        """
        self._validations_since += 1
        if not is_better(score, self.score, self.mode):
            return False
        self.score, self._validations_since = score, 0
        copies = {name: value.detach().cpu().clone() for name, value in weights().items()}
        self.content = {"state_dict": copies, "global_step": step}
        return True

    @property
    def patience_is_over(self) -> bool:
        """Whether training should stop."""
        return self.patience is not None and self._validations_since >= self.patience

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint stores."""
        return {"score": self.score, "weights": self.content, "since": self._validations_since}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what a checkpoint stored."""
        self.score, self.content = state["score"], state["weights"]
        self._validations_since = state["since"]
