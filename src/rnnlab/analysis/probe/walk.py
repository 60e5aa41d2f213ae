"""Backpropagation through time taken apart: each step has parameters of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rnnlab.analysis.probe.gradients import tracing, undisturbed
from rnnlab.analysis.probe.system import System, flatten_steps, systems
from rnnlab.cells import Cell, Stack
from rnnlab.models.base import Model
from rnnlab.models.stream import Embed
from rnnlab.spec import Batch
from rnnlab.state import State, leaves, like, map_state
from rnnlab.tasks.base import Task


class Passage(NamedTuple):
    """How a system went through a sequence of S steps, in the order in which it read them.

    By the names of the state's parts, `(S, n)` each.

    Attributes:
        states: after each step.
        deltas: dL/d of those, by every way.
        carried: what of the gradient step s hands back to the state that it read.
    """

    states: dict[str, Tensor]
    deltas: dict[str, Tensor]
    carried: dict[str, Tensor]


class Walk(NamedTuple):
    """A forward and a backward pass over one sequence.

    Attributes:
        loss: L, what training makes smaller: a mean over the answered steps.
        losses: `(T,)` of each step alone, nan where nothing is answered.
        outputs: `(T, O)` logits or numbers.
        output_deltas: `(T, O)` dL/d of those.
        passages: by the name of a system.
        gradients: of each parameter that the steps share, by its name in the model: `(S, ...)`
            what each step contributes; their sum is the gradient.
    """

    loss: float
    losses: Tensor
    outputs: Tensor
    output_deltas: Tensor
    passages: dict[str, Passage]
    gradients: dict[str, Tensor]


def walk(model: Model, task: Task, batch: Batch) -> Walk:
    """Go through a batch of one sequence and back; no cell needs a derivation of its own."""
    found = systems(model)
    with undisturbed(model), tracing(found) as traces, untied(model) as copies:
        outputs = model(batch)[0]
        loss = task.loss(outputs, batch)
        tree = (
            outputs,
            tuple((tuple(traces[name].after), tuple(traces[name].before)) for name in found),
            tuple(tuple(steps) for steps in copies.values()),
        )
        deltas, passed, gradients = _gradients(loss, tree)
        losses = torch.full(batch.mask.shape[1:], torch.nan, dtype=outputs.dtype)
        for step in batch.mask[0].nonzero().flatten():
            alone = torch.zeros_like(batch.mask)
            alone[:, step] = True
            losses[step] = task.loss(outputs.detach(), batch._replace(mask=alone))
    return Walk(
        loss.item(),
        losses,
        outputs[0].detach(),
        deltas[0],
        {
            name: Passage(
                _by_part(system, map_state(Tensor.detach, tuple(traces[name].after))),
                _by_part(system, after),
                _by_part(system, before),
            )
            for (name, system), (after, before) in zip(found.items(), passed, strict=True)
        },
        {name: torch.stack(steps) for name, steps in zip(copies, gradients, strict=True)},
    )


@contextmanager
def untied(model: Model) -> Iterator[dict[str, list[Tensor]]]:
    """Give each step a copy of the parameters of cells, embedding and readout, and keep those."""
    copies: dict[str, list[Tensor]] = {}
    changed = []
    for name, module in list(model.named_modules()):
        timeless = isinstance(module, Embed) or name == "readout"
        cell = isinstance(module, Cell) and not isinstance(module, Stack)
        if (timeless or cell) and next(module.parameters(), None) is not None:
            module.forward = _untie(name, module, copies, timeless)
            changed.append(module)
    try:
        yield copies
    finally:
        for module in changed:
            del module.forward


class _Through(nn.Module):
    """Calls a function of a module, with whatever parameters the module is lent."""

    def __init__(self, module: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.module = module
        self.function = function

    def forward(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def _untie(
    name: str, module: nn.Module, copies: dict[str, list[Tensor]], timeless: bool
) -> Callable[..., Any]:
    """Make a `forward` that uses a new copy every step; a timeless one gets all steps at once."""
    through = _Through(module, module.forward)
    names = [key for key, _ in module.named_parameters()]
    for key in names:
        copies[f"{name}.{key}"] = []

    def once(*arguments: Any) -> Any:
        own = {key: value.detach().clone() for key, value in module.named_parameters()}
        for key, value in own.items():
            copies[f"{name}.{key}"].append(value.requires_grad_())
        return functional_call(
            through, {f"module.{key}": value for key, value in own.items()}, arguments
        )

    def over_time(inputs: Tensor) -> Tensor:
        if inputs.dim() == 1:  # of a decoder that is stepped
            return once(inputs)
        return torch.stack([once(step) for step in inputs.unbind(1)], dim=1)

    return over_time if timeless else once


def _gradients(loss: Tensor, tree: State) -> State:
    """Differentiate by every tensor of a tree."""
    gradients = torch.autograd.grad(loss, leaves(tree), allow_unused=True, materialize_grads=True)
    return like(tree, list(gradients))


def _by_part(system: System, steps: State) -> dict[str, Tensor]:
    """Turn a state a step, of one row, into `(S, n)` a part."""
    flat = flatten_steps(map_state(lambda *leaf: torch.stack(leaf, dim=1), *steps))[0]
    return {part.name: flat[:, part.units] for part in system.parts}
