"""The recurrent part of a model as a map over flat states, and the trace of its inputs."""

from collections.abc import Mapping
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.probe.observe import Calls, observe
from rnnlab.cells import Cell, Stack, Taps, TapsMLP
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, map_batch
from rnnlab.state import State, flatten, leaves, map_state, unflatten

ANSWERING = ("network", "decoder")
"""Names of the systems that answer; the others read the source."""


class Part(NamedTuple):
    """A named vector within the flat state.

    Attributes:
        name: such as `hidden`, `cell` or, with several layers, `layer2.hidden`.
        units: its slice of the flat state.
    """

    name: str
    units: slice


class Trace(NamedTuple):
    """What the cells of a system read while the model ran on a batch.

    Attributes:
        inputs: `(B, T, I)`.
        start: `(B, D)`, the state before the first step.
        mask: `(B, T)` bool, True on real steps, which come first.
    """

    inputs: Tensor
    start: Tensor
    mask: Tensor


class System:
    """The cells of a stream model as a map s' = F(x, s) over flat states `(B, D)`.

    Args:
        stream: a stream model, or the encoder or decoder of another model.

    Attributes:
        stream: the stream model.
        parts: the named vectors of the flat state.
        size: D.
        input_size: I, the size of the input vector.
        recurrent: whether the state of any layer holds more than its last inputs.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.cell = stream.cell
        self._template = stream.cell.initial_state(1)
        self.parts = _parts(stream.cell, self._template)
        self.size = self.parts[-1].units.stop
        self.input_size = stream.cell.input_size
        self.recurrent = not all(isinstance(c, (Taps, TapsMLP)) for c in stream.cell.layers)

    def step(self, inputs: Tensor, states: Tensor) -> Tensor:
        """Take one step: `(B, I)`, `(B, D)` -> `(B, D)`."""
        return self.step_and_readout(inputs, states)[0]

    def step_and_readout(self, inputs: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, D)` -> states `(B, D)`, outputs of the readout `(B, O)`."""
        features, state = self.cell(inputs, unflatten(states, self._template))
        return flatten(state), self.stream.readout(features)

    def run(self, inputs: Tensor, start: Tensor) -> Tensor:
        """Run over time: `(B, T, I)`, `(B, D)` -> the states after each step `(B, T, D)`."""
        visited = self.cell.trajectory(inputs, unflatten(start, self._template))
        return flatten_steps(visited)

    def jacobian(self, inputs: Tensor, states: Tensor) -> Tensor:
        """Return the Jacobian dF/ds: `(B, I)`, `(B, D)` -> `(B, D, D)`, a row for each output."""
        square = (len(states), self.size)
        # With a copy of the state for each output, one backward pass gives all rows.
        with torch.enable_grad():
            copies = states.repeat_interleave(self.size, dim=0).requires_grad_()  # (B D, D)
            after = self.step(inputs.repeat_interleave(self.size, dim=0), copies)
            outputs = after.unflatten(0, square).diagonal(dim1=1, dim2=2)
            (slopes,) = torch.autograd.grad(outputs.sum(), copies)
        return slopes.unflatten(0, square)


def systems(model: Model) -> dict[str, System]:
    """Return the systems of a model by name: one `network`, or encoder(s) and decoder.

    A model of another class has none.
    """
    if isinstance(model, Stream):
        return {"network": System(model)}
    if not isinstance(model, Seq2Seq):
        return {}
    named = {
        "encoder": model.encoder,
        "backward_encoder": model.backward_encoder,
        "decoder": model.decoder,
    }
    return {name: System(stream) for name, stream in named.items() if stream is not None}


def stateful(model: Model) -> dict[str, System]:
    """Return the systems whose state is not empty."""
    return {name: system for name, system in systems(model).items() if system.size}


def choose_system(found: Mapping[str, System], name: str | None) -> str:
    """Return the name of the system that a setting means, by default the first one.

    Raises:
        ConfigError: there is no system of this name.
    """
    if name is not None and name not in found:
        raise ConfigError(f"analysis.system must be null or one of {', '.join(found)}, got {name}")
    return name or next(iter(found))


def cells(found: Mapping[str, System]) -> list[Cell]:
    """Return the layers of all systems."""
    return [layer for system in found.values() for layer in system.cell.layers]


@torch.no_grad()
def traces(model: Model, batch: Batch) -> dict[str, Trace]:
    """Run a model on a batch and return the trace of each of its systems."""
    found = systems(model)
    with observe(cells(found)) as calls:
        model(batch)
    return observed_traces(found, calls, batch)


@torch.no_grad()
def observed_traces(found: Mapping[str, System], calls: Calls, batch: Batch) -> dict[str, Trace]:
    """Return the traces of systems whose cells were observed."""
    made = {}
    for name, system in found.items():
        layers = [calls[layer] for layer in system.cell.layers]
        inputs = torch.stack([call.inputs[0] for call in layers[0]], dim=1)
        every = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        mask = every if name in ANSWERING else real_steps(batch, name)
        made[name] = Trace(inputs, flatten(tuple(own[0].inputs[1] for own in layers)), mask)
    return made


def observed_states(system: System, calls: Calls) -> Tensor:
    """Return the states `(B, T, D)` after each step of a system whose cells were observed."""
    layers = (
        map_state(lambda *steps: torch.stack(steps, dim=1), *(call.outputs[1] for call in calls[c]))
        for c in system.cell.layers
    )
    return flatten_steps(tuple(layers))


def real_steps(batch: Batch, name: str) -> Tensor:
    """Return the mask `(B, T)` of an encoder's real steps, or of those up to the last answer."""
    if name in ANSWERING:
        return batch.mask.flip(1).cummax(1).values.flip(1)
    assert batch.source is not None
    if batch.source_mask is None:
        return torch.ones_like(
            batch.source[:, :, 0] if batch.source.dim() > 2 else batch.source
        ).bool()
    return batch.source_mask


def in_double(model: Model) -> Model:
    """Return a float64 copy of a model whose parameters require no gradient."""
    return deepcopy(model).double().requires_grad_(False)


def batch_in_double(batch: Batch) -> Batch:
    """Return a float64 copy of a batch."""
    return map_batch(lambda part: part.double() if part.is_floating_point() else part, batch)


def flatten_steps(visited: State) -> Tensor:
    """Concatenate all tensors of a state trajectory: a tree of `(B, T, ...)` -> `(B, T, D)`."""
    return torch.cat([leaf.flatten(2) for leaf in leaves(visited)], dim=2)


def _parts(cell: Stack, template: State) -> list[Part]:
    """Return the named vectors of all layers' states, in the order of the flat state."""
    found: list[Part] = []
    place = 0
    for number, (layer, state) in enumerate(zip(cell.layers, template, strict=True), start=1):
        names = getattr(state, "_fields", ("taps",) if isinstance(layer, Taps) else ("hidden",))
        prefix = f"layer{number}." if len(cell.layers) > 1 else ""
        for name, leaf in zip(names, leaves(state), strict=True):
            size = leaf[0].numel()
            found.append(Part(f"{prefix}{name}", slice(place, place + size)))
            place += size
    return found
