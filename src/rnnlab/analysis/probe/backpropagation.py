"""Backpropagation through time, step by step: deltas, and each step's part of the gradient."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from rnnlab.analysis.probe.observe import Call, differentiable, observe
from rnnlab.analysis.probe.system import System, cells, flatten_steps, systems
from rnnlab.cells import Cell, Stack
from rnnlab.models.base import Model
from rnnlab.models.stream import Embed
from rnnlab.spec import Batch
from rnnlab.state import State, detach, leaves, like, map_state
from rnnlab.tasks.base import Task


class StepStates(NamedTuple):
    """The states of a system after S steps, and their gradients, in the order of reading.

    By the names of the state's parts, `(S, n)` each.

    Attributes:
        states: h_s.
        deltas: dL/dh_s, through every path.
        carried: dL/dh_{s-1} through step s alone: what backpropagation hands to step s - 1.
    """

    states: dict[str, Tensor]
    deltas: dict[str, Tensor]
    carried: dict[str, Tensor]


class Backpropagation(NamedTuple):
    """The forward and the backward pass of one sequence.

    Attributes:
        loss: L, the training loss: a mean over the answered steps.
        losses: `(T,)`, the loss of each step alone, NaN at steps without an answer.
        outputs: `(T, O)`, logits or numbers.
        output_deltas: `(T, O)`, dL/d outputs.
        systems: by the name of a system.
        gradients: by the name of a parameter that all steps share: `(S, ...)`, the contribution
            of each step to the gradient; their sum is the gradient.
    """

    loss: float
    losses: Tensor
    outputs: Tensor
    output_deltas: Tensor
    systems: dict[str, StepStates]
    gradients: dict[str, Tensor]


def backpropagate(model: Model, task: Task, batch: Batch) -> Backpropagation:
    """Run a batch of one sequence forward and backward.

    The contribution of a step to a gradient is the vector-Jacobian product of the step with the
    deltas of what it returned, so that no cell needs a derivation of its own.
    """
    found = systems(model)
    layers = cells(found)
    shared = {name: module for name, module in model.named_modules() if _is_shared(name, module)}
    with differentiable(model), observe([*layers, *shared.values()]) as calls:
        outputs = model(batch)[0]
        loss = task.loss(outputs, batch)
        losses = torch.full(batch.mask.shape[1:], torch.nan, dtype=outputs.dtype)
        for step in batch.mask[0].nonzero().flatten():
            alone = torch.zeros_like(batch.mask)
            alone[:, step] = True
            losses[step] = task.loss(outputs.detach(), batch._replace(mask=alone))
    made = tuple(tuple(c._replace(inputs=c.inputs[1:]) for c in own) for own in calls.values())
    output_deltas, *by_module = _differentiate(loss, (outputs, *made))
    deltas = dict(zip(calls, by_module, strict=True))
    return Backpropagation(
        loss.item(),
        losses,
        outputs[0].detach(),
        output_deltas[0],
        {
            name: StepStates(
                _by_part(system, {m: [call.outputs[1] for call in calls[m]] for m in layers}),
                _by_part(system, {m: [delta.outputs[1] for delta in deltas[m]] for m in layers}),
                _by_part(system, {m: [delta.inputs[0] for delta in deltas[m]] for m in layers}),
            )
            for name, system in found.items()
        },
        {
            f"{name}.{key}": steps
            for name, module in shared.items()
            for key, steps in _contributions(module, calls[module], deltas[module]).items()
        },
    )


def _is_shared(name: str, module: nn.Module) -> bool:
    """Whether every step uses the parameters of a module: those of cells, embedding, readout."""
    cell = isinstance(module, Cell) and not isinstance(module, Stack)
    used = cell or isinstance(module, Embed) or name == "readout"
    return used and next(module.parameters(), None) is not None


def _differentiate(loss: Tensor, tree: State) -> State:
    """Return the gradients with respect to every tensor of a tree."""
    gradients = torch.autograd.grad(loss, leaves(tree), allow_unused=True, materialize_grads=True)
    return like(tree, list(gradients))


def _by_part(system: System, steps: dict[Cell, list[State]]) -> dict[str, Tensor]:
    """Return `(S, n)` for each part of a system, from each layer's states of one row."""
    stacked = tuple(
        map_state(lambda *leaf: torch.stack(leaf, dim=1), *steps[layer])
        for layer in system.cell.layers
    )
    flat = flatten_steps(detach(stacked))[0]
    return {part.name: flat[:, part.units] for part in system.parts}


def _contributions(module: nn.Module, calls: list[Call], deltas: list[Call]) -> dict[str, Tensor]:
    """Return the gradient of each parameter of a module by steps, `(S, ...)`."""
    pairs = [(call.inputs, delta.returned) for call, delta in zip(calls, deltas, strict=True)]
    if isinstance(module, Cell):
        steps = map_state(lambda *leaf: torch.stack(leaf), *pairs)  # (S, 1, ...)
    else:  # called for all steps at once, `(1, T, ...)`, or step by step: `(1,)` ids
        join = torch.stack if pairs[0][0][0].dim() == 1 else torch.cat
        steps = map_state(lambda *leaf: join(leaf, 1).transpose(0, 1), *pairs)
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}

    def product(inputs: tuple[State, ...], deltas: State) -> dict[str, Tensor]:
        pull = vjp(lambda own: functional_call(module, own, inputs), parameters)[1]
        (gradients,) = pull(deltas)
        return gradients

    return vmap(product)(*detach(steps))
