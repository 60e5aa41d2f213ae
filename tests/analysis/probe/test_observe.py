"""Observed calls carry the gradients that their docstring says, and hooks are removed."""

import pytest
import torch
from torch import Tensor, nn

from rnnlab.analysis.probe.observe import observe


class Chain(nn.Module):
    """Returns y = 2 x and z = 3 y."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = 2 * x
        return y, 3 * y


def test_gradients_are_those_through_the_call_the_results_and_the_caller() -> None:
    module = Chain()
    with observe([module]) as calls:
        x = torch.tensor([5.0])
        y, z = module(x)
    (call,) = calls[module]
    assert [leaf.item() for leaf in (*call.inputs, *call.outputs, *call.returned)] == [
        *(5, 10, 30),
        *(10, 30),
    ]
    gradients = torch.autograd.grad(7 * y + z, (*call.inputs, *call.outputs, *call.returned))
    assert [gradient.item() for gradient in gradients] == [
        2 * (7 + 3),  # through y and, by it, through z
        *(7 + 3, 1),
        *(7, 1),  # by what the caller made of each
    ]


def test_without_autograd_the_values_are_recorded_as_they_are() -> None:
    module = Chain()
    with torch.no_grad(), observe([module]) as calls:
        module(torch.ones(2))
        module(torch.zeros(2))
    assert [call.inputs[0].tolist() for call in calls[module]] == [[1, 1], [0, 0]]
    assert not any(leaf.requires_grad for call in calls[module] for leaf in call.outputs)


def test_hooks_are_removed_also_after_an_error() -> None:
    module = Chain()
    with pytest.raises(ZeroDivisionError), observe([module]):
        raise ZeroDivisionError
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
