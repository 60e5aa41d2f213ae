"""Classifiers without memory: what a network that recognises sequences must beat."""

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
