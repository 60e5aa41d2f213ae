"""A stacked model replaces its parameters by members' during a call."""

import pytest
import torch
from torch import nn

from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.models import Model
from rnnlab.spec import Batch
from tests.models.zoo import SPECS, draw_batch, make_stream


def test_a_call_gives_the_model_its_parameters_back_even_where_it_fails() -> None:
    stacked = StackedModel(
        [make_stream(SPECS["tokens"], initial_state="learned") for _ in range(2)]
    )
    before = list(stacked.model.parameters())

    def fail(model: Model, batch: Batch) -> torch.Tensor:  # noqa: ARG001
        assert not any(isinstance(p, nn.Parameter) for p in model.parameters())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stacked(fail, stacked.flat, draw_batch(SPECS["tokens"]), shared=True)
    assert all(own is p for own, p in zip(before, stacked.model.parameters(), strict=True))
