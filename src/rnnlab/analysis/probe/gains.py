"""Copies of a model whose recurrent weights are amplified or shuffled."""

from copy import deepcopy

import torch
from torch import Tensor

from rnnlab.analysis.probe.system import cells, systems
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model


@torch.no_grad()
def amplified(model: Model, gain: float) -> Model:
    """Return a copy whose recurrent weights are multiplied by a gain.

    Raises:
        ConfigError: a cell has no `recurrent_weight`.
    """
    model = deepcopy(model)
    for weight in _recurrent_weights(model):
        weight.mul_(gain)
    return model


@torch.no_grad()
def shuffled(model: Model, generator: torch.Generator) -> Model:
    """Return a copy in which each unit, and each gate of it, has its weights in random order.

    Raises:
        ConfigError: a cell has no `recurrent_weight`.
    """
    model = deepcopy(model)
    for weight in _recurrent_weights(model):
        order = torch.rand(weight.shape, generator=generator).argsort(dim=1)
        weight.copy_(weight.gather(1, order.to(weight.device)))
    return model


def _recurrent_weights(model: Model) -> list[Tensor]:
    found = [getattr(cell, "recurrent_weight", None) for cell in cells(systems(model))]
    weights = [weight for weight in found if weight is not None]
    if not weights or len(weights) < len(found):
        raise ConfigError("analysis.gains must be null for a cell without recurrent_weight")
    return weights
