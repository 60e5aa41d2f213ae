"""The parts of a model as modules of tensors alone, as exporters take them."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rnnlab.models.base import Model
from rnnlab.spec import Batch, Port, Tokens
from rnnlab.state import State, leaves, like

_WALK = 2


class Example(NamedTuple):
    """The inputs of a part, and which of their sizes are free.

    Attributes:
        tensors: name -> tensor.
        free: for each tensor, dimension -> name of its size.
    """

    tensors: dict[str, Tensor]
    free: dict[str, dict[int, str]]


class Begin(nn.Module):
    """`Model.begin`: what is read before the first step -> the leaves of the state."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Take the tensors that `example` names."""
        return tuple(leaves(self.model.begin(_begin_batch(self.model, tensors))))

    def example(self, rows: int, steps: int) -> Example:
        """Make inputs: a source and its mask; of a stream model the first step's input."""
        source = self.model.spec.source
        if source is None:
            tensors = {"input": _draw(self.model.spec.input, rows)}
            return _with_initial(self.model, Example(tensors, {"input": {0: "batch"}}), rows)
        mask = torch.ones(rows, steps, dtype=torch.bool)
        mask[-1, steps - 1 :] = rows == 1  # several rows differ in length
        tensors = {"source": _draw(source, rows, steps), "source_mask": mask}
        sizes = {0: "batch", 1: "source"}
        example = Example(tensors, {"source": sizes, "source_mask": sizes})
        return _with_initial(self.model, example, rows)

    @torch.no_grad()
    def state(self, rows: int, steps: int) -> State:
        """Return the state that the model begins with on an example."""
        tensors = self.example(rows, steps).tensors
        return self.model.begin(_begin_batch(self.model, tuple(tensors.values())))


class Step(nn.Module):
    """`Model.step`: an input and the leaves of a state -> the output and the leaves that change."""

    def __init__(self, model: Model, state: State) -> None:
        super().__init__()
        self.model = model
        self.state = state
        self.changing = changing_leaves(model, state)

    def forward(self, input: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Take `(B,)` ids or `(B, I)` numbers."""
        output, new = self.model.step(input, like(self.state, list(state)))
        after = leaves(new)
        return (output, *(after[index] for index in self.changing))

    @torch.no_grad()
    def example(self, rows: int, steps: int) -> Example:
        """Make inputs: a state that it went through, after a source of so many steps."""
        model, begin = self.model, Begin(self.model)
        state, other = begin.state(rows, steps), begin.state(rows, steps + 1)
        for _ in range(_WALK):  # the first state may be zeros, which say little
            _, state = model.step(_draw(model.spec.input, rows), state)
        tensors = {"input": _draw(model.spec.input, rows)}
        free = {"input": {0: "batch"}}
        for (name, leaf), longer in zip(named_leaves(state), leaves(other), strict=True):
            # A copy: exporters join aliases.
            tensors[name] = leaf.clone(memory_format=torch.contiguous_format)
            sizes = zip(leaf.shape, longer.shape, strict=True)
            grown = {axis: "source" for axis, (one, two) in enumerate(sizes) if one != two}
            free[name] = {0: "batch", **grown}
        return Example(tensors, free)


class Whole(nn.Module):
    """`Model.forward` of a stream model: a whole sequence -> the outputs of all steps.

    A Jordan network reads its own answers, as in free running.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: Tensor, *initial: Tensor) -> Tensor:
        """Take `(B, T)` ids or `(B, T, I)` numbers, and the clamped values of the task has them."""
        target = self.model.spec.target
        size = () if isinstance(target, Tokens) or target is None else (target.size,)
        kind = torch.int64 if isinstance(target, Tokens) else torch.float32
        shape = input.shape[:2]
        batch = Batch(
            input=input,
            target=torch.zeros((*shape, *size), dtype=kind),
            mask=torch.zeros(shape, dtype=torch.bool),
            initial=initial[0] if initial else None,
        )
        output, _ = self.model(batch)
        return output

    def example(self, rows: int, steps: int) -> Example:
        """Make a sequence for each row."""
        tensors = {"input": _draw(self.model.spec.input, rows, steps)}
        return _with_initial(self.model, Example(tensors, {"input": {0: "batch", 1: "time"}}), rows)


@torch.no_grad()
def changing_leaves(model: Model, state: State) -> list[int]:
    """Return which leaves of a state a step replaces; a source's memory it hands on."""
    before = leaves(state)
    _, new = model.step(_draw(model.spec.input, before[0].shape[0]), state)
    return [
        index
        for index, (old, leaf) in enumerate(zip(before, leaves(new), strict=True))
        if leaf is not old
    ]


def named_leaves(state: State, name: str = "state") -> Iterator[tuple[str, Tensor]]:
    """Yield the leaves of a state with names such as `state.decoder.0.hidden`."""
    if isinstance(state, Tensor):
        yield name, state
        return
    fields = getattr(state, "_fields", range(len(state)))
    for field, part in zip(fields, state, strict=True):
        yield from named_leaves(part, f"{name}.{field}")


def _begin_batch(model: Model, tensors: tuple[Tensor, ...]) -> Batch:
    first, *rest = tensors
    initial = rest.pop() if model.spec.initial is not None else None
    none = torch.ones((first.shape[0], 1), dtype=torch.bool)
    batch = Batch(first[:, None], first[:, None], none, initial=initial)
    if model.spec.source is None:
        return batch
    return batch._replace(source=first, source_mask=rest[0])


def _with_initial(model: Model, example: Example, rows: int) -> Example:
    if model.spec.initial is None:
        return example
    tensors = {**example.tensors, "initial": torch.randn(rows, model.spec.initial.size)}
    return Example(tensors, {**example.free, "initial": {0: "batch"}})


def _draw(port: Port, *shape: int) -> Tensor:
    if isinstance(port, Tokens):
        return torch.randint(port.vocab_size, shape)
    return torch.randn(*shape, port.size)
