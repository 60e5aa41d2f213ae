"""Gradients through time: dL_t/dh_s, of the loss of each answered step by each earlier state.

Nothing here draws random numbers or changes the gradients of parameters, so that a training may
call it.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from rnnlab.analysis.probe.observe import Calls, differentiable, observe
from rnnlab.analysis.probe.system import ANSWERING, System, Trace, cells, real_steps, systems
from rnnlab.analysis.progress import within_budget
from rnnlab.models.base import Model
from rnnlab.spec import Batch
from rnnlab.state import leaves
from rnnlab.tasks.base import Task

_NUMBERS = 2**25  # numbers held in memory at once


class Flow(NamedTuple):
    """Norms of the gradients dL_t/dh_s of B sequences.

    L_t is the loss of step t alone. Step 0 is the first of the network or decoder; the steps of
    an encoder are negative, and -1 is the last one.

    Attributes:
        norms: `(B, A, S)`, NaN where a sequence has no answer at t, or no step s before t.
        answers: `(A,)`, the answered steps t.
        steps: `(S,)`, the steps s.
    """

    norms: Tensor
    answers: Tensor
    steps: Tensor


class GradientDecay(NamedTuple):
    """Gradient norms as a function of the distance in time.

    Attributes:
        distances: `(N,)`, t - s in steps, ascending.
        shares: `(N,)`, the norm over the largest norm of the same answer, averaged over all pairs
            of an answer and a step at the distance.
    """

    distances: Tensor
    shares: Tensor


def gradient_through_time(model: Model, task: Task, batch: Batch) -> dict[str, dict[str, Tensor]]:
    """Return the mean norm of dL/dh_s at each step s, by one backward pass.

    L is the mean loss of a sequence. The norms `(S,)` are by the names of a system and of a part
    of its state; the last real step of an encoder is the last.
    """
    found = systems(model)
    with differentiable(model), observe(cells(found)) as calls:
        loss = task.loss(model(batch)[0], batch) * len(batch.input)
        norms = _norms(loss, _nodes(found, calls))
    return {
        name: {
            part: _at_end(steps, _lengths(name, batch)).nanmean(0) for part, steps in parts.items()
        }
        for name, parts in norms.items()
    }


def flow(model: Model, task: Task, batch: Batch, num_answers: int) -> dict[str, dict[str, Flow]]:
    """Return the norms of dL_t/dh_s at all steps s for evenly spaced answered steps t.

    They are by the names of a system and of a part of its state. One batched backward pass serves
    all answers.
    """
    found = systems(model)
    with differentiable(model), observe(cells(found)) as calls:
        return observed_flow(found, calls, model(batch)[0], task, batch, num_answers)


def observed_flow(
    found: Mapping[str, System],
    calls: Calls,
    output: Tensor,
    task: Task,
    batch: Batch,
    num_answers: int,
) -> dict[str, dict[str, Flow]]:
    """Return what `flow` does, of systems whose cells were observed."""
    (error,) = torch.autograd.grad(task.loss(output, batch), output, retain_graph=True)
    answers = evenly_spaced(batch.mask.any(0).nonzero().flatten(), num_answers)
    seeds = error.new_zeros(len(answers), *error.shape)
    seeds[range(len(answers)), :, answers] = error[:, answers].transpose(0, 1)
    seeds *= batch.mask.sum()  # the loss is a mean over all answers
    nodes = _nodes(found, calls)
    count = sum(node.numel() for node in _flat(nodes))
    norms = vmap(  # (B, A, S) of each part
        partial(_norms, output, nodes), out_dims=1, chunk_size=max(1, _NUMBERS // max(1, count))
    )(seeds)
    return {
        name: {
            part: _flow(steps, _lengths(name, batch), answers, batch.mask)
            for part, steps in parts.items()
        }
        for name, parts in norms.items()
    }


def decay(flow: Flow) -> GradientDecay:
    """Average gradient norms over all pairs of an answer and a step at the same distance."""
    largest = flow.norms.nan_to_num(0).amax(2, keepdim=True)
    shares = flow.norms / torch.where(largest > 0, largest, torch.nan)
    there = ~shares.isnan()
    distances = (flow.answers[:, None] - flow.steps).expand_as(shares)[there]
    known, place = distances.unique(return_inverse=True)
    total = shares.new_zeros(len(known)).index_add(0, place, shares[there])
    return GradientDecay(known, total / place.bincount(minlength=len(known)))


def effective_horizon(decay: GradientDecay) -> float:
    """Return the effective horizon: the mean of t - s in steps, weighted by the norm."""
    return float((decay.distances * decay.shares).sum() / decay.shares.sum())


def reach(decay: GradientDecay, share: float) -> int | None:
    """Return the largest distance at which the gradient exceeds a share of its largest norm."""
    if not len(decay.shares):
        return None
    return int(decay.distances[decay.shares > share * decay.shares.amax()][-1])


def slope(decay: GradientDecay) -> float:
    """Fit log share = a + slope * distance by least squares; NaN for fewer than two shares.

    Only the farther half of the distances counts: near ones show what fades sooner, and how a
    non-normal step first makes gradients grow.
    """
    there = decay.shares > 1e-30  # smaller ones soon underflow
    distances, shares = (part[there].double().cpu() for part in decay)
    far = min(len(distances) // 2, len(distances) - 2)
    if far < 0:
        return float("nan")
    return float(np.polyfit(distances[far:], shares[far:].log(), 1)[0])


def evenly_spaced(values: Tensor, most: int) -> Tensor:
    """Return at most `most` values, evenly spaced, the last one included."""
    if len(values) <= most:
        return values
    return values[torch.linspace(len(values) - 1, 0, most).round().long().flip(0)]


def top_part(system: System) -> str:
    """Return the name of the highest layer's first part: hidden, or a Jordan network's context."""
    layers = len(system.cell.layers)
    return next(p.name for p in system.parts if layers == 1 or p.name.startswith(f"layer{layers}."))


class Spectra(NamedTuple):
    """Spectra of the step Jacobian dh_s/dh_{s-1} at N points of real sequences.

    Attributes:
        radius: `(N,)`, the spectral radius: the largest |eigenvalue|.
        singular: `(N, D)`, the singular values, largest first.
    """

    radius: Tensor
    singular: Tensor


@torch.no_grad()
def spectra(system: System, trace: Trace, rows: Tensor, steps: Tensor) -> Spectra:
    """Return the spectra of the step Jacobians at some rows and steps of a trace.

    They are those of the first places if the budget is spent.
    """
    visited = torch.cat([trace.start[:, None], system.run(trace.inputs, trace.start)], dim=1)
    inputs, states = trace.inputs[rows, steps], visited[rows, steps]
    size = max(1, _NUMBERS // (16 * system.size**2))
    radii, singular = [], []
    chunks = [*zip(inputs.split(size), states.split(size), strict=True)]
    for few, some in within_budget(chunks, f"chunks of {size} Jacobians"):
        jacobian = system.jacobian(few, some)
        radii.append(torch.linalg.eigvals(jacobian).abs().amax(1))
        singular.append(torch.linalg.svdvals(jacobian))
    return Spectra(torch.cat(radii), torch.cat(singular))


_Nodes = dict[str, dict[str, list[Tensor]]]


def _nodes(found: Mapping[str, System], calls: Calls) -> _Nodes:
    """Return the states after each step, as a list of graph nodes for each part of each system."""
    nodes: _Nodes = {}
    for name, system in found.items():
        steps = [
            vector
            for layer in system.cell.layers
            for vector in zip(*(leaves(call.outputs[1]) for call in calls[layer]), strict=True)
        ]
        parts = zip(system.parts, steps, strict=True)
        nodes[name] = {part.name: list(vectors) for part, vectors in parts}
    return nodes


def _flat(nodes: _Nodes) -> list[Tensor]:
    return [node for parts in nodes.values() for steps in parts.values() for node in steps]


def _norms(
    output: Tensor, nodes: _Nodes, seed: Tensor | None = None
) -> dict[str, dict[str, Tensor]]:
    """Return the norms `(B, S)` of the gradients by the nodes of each part."""
    gradients = iter(
        torch.autograd.grad(
            output,
            _flat(nodes),
            seed,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
    )
    return {
        name: {
            part: torch.stack([next(gradients) for _ in steps], dim=1).flatten(2).norm(dim=2)
            for part, steps in parts.items()
        }
        for name, parts in nodes.items()
    }


def _lengths(name: str, batch: Batch) -> Tensor | None:
    """Return the source lengths `(B,)` if the system is an encoder, else `None`."""
    return None if name in ANSWERING else real_steps(batch, name).sum(1)


def _at_end(norms: Tensor, lengths: Tensor | None) -> Tensor:
    """Move the real steps of each row `(B, ..., S)` to its end, with NaN before them."""
    if lengths is None:
        return norms
    size = norms.shape[-1]
    index = torch.arange(size, device=norms.device) - (size - lengths[:, None])
    index = index.view(len(norms), *[1] * (norms.dim() - 2), size).expand_as(norms)
    return norms.gather(-1, index.clamp(min=0)).masked_fill(index < 0, torch.nan)


def _flow(norms: Tensor, lengths: Tensor | None, answers: Tensor, mask: Tensor) -> Flow:
    """Set the norms `(B, A, S)` of a part to NaN where there is no answer or no earlier step."""
    norms = _at_end(norms, lengths)
    steps = torch.arange(norms.shape[2], device=norms.device)
    if lengths is not None:
        steps = steps - norms.shape[2]
    there = mask[:, answers, None] & (steps <= answers[:, None])
    return Flow(norms.masked_fill(~there, torch.nan), answers, steps)
