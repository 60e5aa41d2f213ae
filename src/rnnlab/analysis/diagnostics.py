"""Diagnostics of a model that are cheap enough for training: gradients, gates, eigenvalues."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.gates import Gated, gates
from rnnlab.analysis.numerics.pca import components
from rnnlab.analysis.probe.gradients import (
    Flow,
    GradientDecay,
    decay,
    effective_horizon,
    observed_flow,
    top_part,
)
from rnnlab.analysis.probe.observe import differentiable, observe
from rnnlab.analysis.probe.system import (
    System,
    Trace,
    cells,
    observed_states,
    observed_traces,
    systems,
)
from rnnlab.models.base import Model
from rnnlab.spec import Batch
from rnnlab.tasks.base import Task

_ANSWERS = 6  # whose gradients are followed back
_NEAR_BOUND = 0.95


class Diagnostics(NamedTuple):
    """Diagnostics of a model on one batch.

    Attributes:
        scalars: `spectral_radius`, the largest |eigenvalue| of dF/ds at the middle step of the
            first sequence: 0 if the state is forgotten at once, above 1 if small differences
            grow. `saturated`, the share of hidden units beyond 0.95 or -0.95, if tanh bounds
            them; `saturated_gates`, the share of gates below 0.1 or above 0.9. `horizon`, the
            effective horizon in steps. With several systems each name ends in `/` and the
            system's name.
        decay: `(N,)`, the share of the gradient 0, 1, ... steps before an answer in the first
            system, NaN where no answer is so late; `None` without a recurrent system.
        flow: gradient norms of single answers in the first system.
        planes: `(B, T, 2)`, states along their first two principal components, by system.
    """

    scalars: Mapping[str, float]
    decay: Tensor | None
    flow: Flow | None
    planes: Mapping[str, Tensor]


def diagnose(model: Model, task: Task, batch: Batch, *, full: bool) -> Diagnostics:
    """Compute the diagnostics on a few sequences, the planes only if `full`.

    They are empty without a recurrent system, without an answer, or once weights are NaN.
    """
    found = {name: system for name, system in systems(model).items() if system.recurrent}
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    if not (found and batch.mask.any() and weights.isfinite().all()):
        return Diagnostics({}, None, None, {})
    reader = next(iter(found))
    with differentiable(model):
        with observe(cells(found)) as calls:
            output, _ = model(batch)
        flows = observed_flow(found, calls, output, task, batch, _ANSWERS)
        scalars: dict[str, float] = {}
        planes, faded = {}, {}
        with torch.no_grad():
            traced = observed_traces(found, calls, batch)
            for name, system in found.items():
                end = f"/{name}" if len(found) > 1 else ""
                states = observed_states(system, calls)
                faded[name] = decay(flows[name][top_part(system)])
                scalars |= {
                    f"{key}{end}": value
                    for key, value in _measure(system, traced[name], states).items()
                }
                scalars[f"horizon{end}"] = effective_horizon(faded[name])
                if full and states.isfinite().all():
                    planes[name] = _plane(states, traced[name].mask)
    read = flows[reader][top_part(found[reader])]
    return Diagnostics(scalars, _by_distance(faded[reader]), read, planes)


def _by_distance(faded: GradientDecay) -> Tensor | None:
    if not len(faded.distances):
        return None  # its norms are not finite
    shares = faded.shares.new_full((int(faded.distances.max()) + 1,), torch.nan)
    shares[faded.distances] = faded.shares
    return shares


def _measure(system: System, trace: Trace, states: Tensor) -> dict[str, float]:
    middle = int(trace.mask[0].sum()) // 2
    before = states[:1, middle - 1] if middle else trace.start[:1]
    jacobian = system.jacobian(trace.inputs[:1, middle], before)[0]
    measured = {"spectral_radius": float(torch.linalg.eigvals(jacobian).abs().max())}
    hidden = [part.units for part in system.parts if part.name.endswith("hidden")]
    bounded = all(getattr(c, "activation", "tanh") == "tanh" for c in system.cell.layers)
    if hidden and bounded:
        units = torch.cat([states[trace.mask][:, where] for where in hidden], dim=1)
        measured["saturated"] = float((units.abs() > _NEAR_BOUND).float().mean())
    if all(isinstance(cell, Gated) for cell in system.cell.layers):
        opened = [gate for layer in gates(system, trace, states) for gate in layer.values()]
        values = torch.cat([gate[trace.mask] for gate in opened], dim=1)
        measured["saturated_gates"] = float(((values < 0.1) | (values > 0.9)).float().mean())
    return measured


def _plane(states: Tensor, mask: Tensor) -> Tensor:
    points = states.double().cpu().numpy()
    return torch.from_numpy(components(points[mask.cpu().numpy()]).project(points, 2))
