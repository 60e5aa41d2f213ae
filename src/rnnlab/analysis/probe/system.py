"""The recurrent part of a model as a map over flat states, and what runs through it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from rnnlab.cells import Stack, Taps, TapsMLP, readable
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch
from rnnlab.state import State, flatten, leaves, unflatten


class Part(NamedTuple):
    """A named vector within the flat state.

    Attributes:
        name: such as `hidden`, `cell` or, of several layers, `layer2.hidden`.
        units: where it stands.
    """

    name: str
    units: slice


class Drive(NamedTuple):
    """What went into a system while a model answered a batch.

    Attributes:
        inputs: `(B, T, I)` that the cell read.
        start: `(B, D)` the state before the first.
        mask: `(B, T)` bool, True on real steps, which come first.
    """

    inputs: Tensor
    start: Tensor
    mask: Tensor


class System:
    """A map s' = F(x, s) over flat states `(B, D)`: the very cells that were trained.

    Args:
        stream: a model, or the part of one, with one stack of cells.

    Attributes:
        stream: that.
        parts: what the flat state is made of.
        size: D.
        input_size: I, numbers that the cells read a step.
        recurrent: whether any layer carries more than its last inputs.
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
        return self.answer(inputs, states)[0]

    def answer(self, inputs: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step, and give the new states and the outputs of the model's readout too."""
        features, state = self.cell(inputs, unflatten(states, self._template))
        return flatten(state), self.stream.readout(features)

    def run(self, inputs: Tensor, start: Tensor) -> Tensor:
        """Run over time: `(B, T, I)`, `(B, D)` -> the states after each step `(B, T, D)`."""
        visited = self.cell.trajectory(inputs, unflatten(start, self._template))
        return flatten_steps(visited)

    def jacobian(self, inputs: Tensor, states: Tensor) -> Tensor:
        """Give dF/ds at states: `(B, I)`, `(B, D)` -> `(B, D, D)`, a row an output."""

        def one(x: Tensor, s: Tensor) -> Tensor:
            return self.step(x[None], s[None])[0]

        with readable(self.stream):
            return vmap(jacrev(one, argnums=1))(inputs, states)

    def part(self, name: str) -> slice:
        """Find a part by its name."""
        return next(part.units for part in self.parts if part.name == name)


def systems(model: Model) -> dict[str, System]:
    """Give the systems inside a model by name: one `network`, or encoder(s) and decoder.

    A model of another kind has none that is known here.
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
    """Give the systems that carry anything at all from step to step."""
    return {name: system for name, system in systems(model).items() if system.size}


def choose(found: Mapping[str, System], name: str | None) -> str:
    """Name the system that a setting means; by default the first: the network, or the encoder.

    Raises:
        ConfigError: there is none of this name.
    """
    if name is not None and name not in found:
        raise ConfigError(f"analysis.system must be null or one of {', '.join(found)}, got {name}")
    return name or next(iter(found))


@torch.no_grad()
def watch(model: Model, batch: Batch) -> dict[str, Drive]:
    """Let a model answer a batch, and give what went into each of its systems."""
    found = systems(model)
    with _recording(found) as calls:
        model(batch)
    return {name: _drive(steps) for name, steps in calls.items()}


def flatten_steps(visited: State) -> Tensor:
    """All numbers of each step's state side by side: a tree of `(B, T, ...)` -> `(B, T, D)`."""
    return torch.cat([leaf.flatten(2) for leaf in leaves(visited)], dim=2)


_Call = tuple[Tensor, State, Tensor | None]


@contextmanager
def _recording(found: dict[str, System]) -> Iterator[dict[str, list[_Call]]]:
    """Note what each stack of cells reads, whether over all steps or step by step."""
    calls: dict[str, list[_Call]] = {name: [] for name in found}

    def record(name: str, cell: Stack) -> None:
        unroll, forward = cell.unroll, cell.forward

        def unroll_noted(inputs: Tensor, state: State, mask: Tensor | None = None) -> Any:
            calls[name].append((inputs, state, mask))
            return unroll(inputs, state, mask)

        def forward_noted(input: Tensor, state: State) -> Any:
            calls[name].append((input[:, None], state, None))
            return forward(input, state)

        # An instance's own attribute stands before its class's method.
        cell.unroll = unroll_noted  # type: ignore[method-assign]
        cell.forward = forward_noted  # type: ignore[method-assign]

    for name, system in found.items():
        record(name, system.cell)
    try:
        yield calls
    finally:
        for system in found.values():
            del system.cell.unroll, system.cell.forward


def _drive(steps: list[_Call]) -> Drive:
    inputs = torch.cat([inputs for inputs, _, _ in steps], dim=1)
    _, start, mask = steps[0]
    if mask is None:
        mask = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    return Drive(inputs, flatten(start), mask)


def _parts(cell: Stack, template: State) -> list[Part]:
    """Name the vectors of each layer's state, in the order in which they are flattened."""
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
