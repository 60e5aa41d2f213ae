"""Answers without learning over time: what a network that reads sequences must beat."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_DECAY = 1e-3  # weight decay of the linear readout


def nearest_neighbour(train: Tensor, classes: Tensor, test: Tensor) -> Tensor:
    """Answer with the class of the nearest training example (Cover and Hart, 1967), `(M,)`.

    Args:
        train: `(N, F)` features.
        classes: `(N,)` of the training examples.
        test: `(M, F)` features.
    """
    return classes[torch.cdist(test, train).argmin(dim=1)]


def nearest_text(train: Sequence[str], test: Sequence[str]) -> list[int]:
    """Return which text of train is most like each one of test, by its place in the list.

    Likeness is the cosine of the counts of character trigrams, in lower case.
    """
    index: dict[str, tuple[list[int], list[float]]] = {}  # trigram -> texts of train, their shares
    for row, text in enumerate(train):
        counts = _trigrams(text)
        length = math.hypot(*counts.values())
        for trigram, count in counts.items():
            rows, shares = index.setdefault(trigram, ([], []))
            rows.append(row)
            shares.append(count / length)
    tables = {
        trigram: (np.array(rows), np.array(shares)) for trigram, (rows, shares) in index.items()
    }
    found = []
    for text in test:
        likeness = np.zeros(len(train))
        for trigram, count in _trigrams(text).items():
            if trigram in tables:
                rows_of, shares_of = tables[trigram]  # a text stands in them once
                likeness[rows_of] += count * shares_of
        found.append(int(likeness.argmax()))
    return found


def _trigrams(text: str) -> Counter[str]:
    padded = f"  {text.lower()} "
    return Counter(padded[start : start + 3] for start in range(len(padded) - 2))


def linear_readout(train: Tensor, classes: Tensor, test: Tensor, num_classes: int) -> Tensor:
    """Answer by logistic regression on all steps at once, `(M,)`.

    Fitted by L-BFGS with a weight decay of 0.001.

    Args:
        train: `(N, F)` features.
        classes: `(N,)` of the training examples.
        test: `(M, F)` features.
        num_classes: C.
    """
    weight = torch.zeros(num_classes, train.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        error = F.cross_entropy(train @ weight.T + bias, classes) + _DECAY * weight.square().sum()
        error.backward()
        return error

    with torch.enable_grad():
        optimizer.step(loss)
    return (test @ weight.T + bias).argmax(dim=1).detach()
