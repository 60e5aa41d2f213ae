"""Observation of modules inside a model while it runs: every call's arguments and results."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rnnlab.cells import readable
from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.state import State, map_state


class Call(NamedTuple):
    """One call of a module, by trees of tensors that are nodes of the autograd graph.

    Attributes:
        inputs: the arguments; a gradient with respect to them flowed through this call alone.
        outputs: the results; a gradient with respect to them is the total one, also through
            results of the same call that depend on each other.
        returned: views of the results, which the caller got; a gradient with respect to them
            flowed through the caller alone.
    """

    inputs: tuple[State, ...]
    outputs: State
    returned: State


Calls = Mapping[nn.Module, list[Call]]
"""The calls of each observed module, in order."""


@contextmanager
def observe(modules: Iterable[nn.Module]) -> Iterator[Calls]:
    """Record the calls of `modules` by torch's forward hooks; cells are called step by step."""
    calls: dict[nn.Module, list[Call]] = {module: [] for module in modules}
    with ExitStack() as stack:
        for module, own in calls.items():
            stack.enter_context(readable(module))
            stack.callback(module.register_forward_pre_hook(_separate).remove)
            stack.callback(module.register_forward_hook(partial(_record, own)).remove)
        yield calls


@contextmanager
def differentiable(model: Model) -> Iterator[None]:
    """Set evaluation mode, enable gradients and lift every `horizon`; undo all of it at the end."""
    modes = {module: module.training for module in model.modules()}
    horizons = {m: m.horizon for m in model.modules() if isinstance(m, Stream)}
    model.eval()
    for stream in horizons:
        stream.horizon = None
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for stream, horizon in horizons.items():
            stream.horizon = horizon


def _separate(_module: nn.Module, inputs: tuple[State, ...]) -> tuple[State, ...]:
    return map_state(_node, inputs)


def _record(
    calls: list[Call], _module: nn.Module, inputs: tuple[State, ...], outputs: State
) -> State:
    calls.append(Call(inputs, outputs, map_state(_node, outputs)))
    return calls[-1].returned


def _node(leaf: Tensor) -> Tensor:
    """Return a node of its own for the same values; ids, and all without autograd, stay."""
    if not (torch.is_grad_enabled() and leaf.is_floating_point()):
        return leaf
    return leaf.view_as(leaf) if leaf.requires_grad else leaf.detach().requires_grad_()
