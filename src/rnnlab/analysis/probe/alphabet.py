"""Symbols of a model: what it reads and answers, as the ids of a finite state machine."""

from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.numerics.quantising import Numbers, Strings
from rnnlab.analysis.probe.autonomous import without_teacher
from rnnlab.analysis.probe.system import System, real_steps, traces
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task
from rnnlab.tasks.moore import NOTHING, Ints


class Alphabet(NamedTuple):
    """The K input symbols of a task.

    Attributes:
        names: K names.
        values: `(K, I)`, the input vector of each symbol if inputs are numbers, else `None`.
    """

    names: list[str]
    values: Tensor | None

    def symbols(self, input: Tensor) -> Ints:
        """Return the ids of inputs `(B, T)` or `(B, T, I)`, -1 for an unknown symbol."""
        if self.values is None:
            return input.numpy()
        same = (input[:, :, None] == self.values).all(dim=3)
        return torch.where(same.any(dim=2), same.int().argmax(dim=2), NOTHING).numpy()


def alphabet_of(task: Task, batch: Batch) -> Alphabet:
    """Return the input symbols of a task; if its inputs are numbers, those of a batch."""
    if isinstance(task.spec.input, Tokens):
        return Alphabet(task.labels(torch.arange(task.spec.input.vocab_size)), None)
    values = batch.input.flatten(0, 1).unique(dim=0)
    names = task.labels(values)
    if names == Task.labels(task, values) or len(set(names)) < len(values):
        names = [" ".join(f"{x:g}" for x in row) for row in values.tolist()]
    return Alphabet(names, values)


def answer_names(task: Task) -> list[str]:
    """Return the names of the output symbols of a task."""
    assert isinstance(task.spec.target, Tokens)
    return task.answer_labels(torch.arange(task.spec.target.vocab_size))


@torch.no_grad()
def answer_strings(model: Stream, batch: Batch, alphabet: Alphabet) -> Strings:
    """Run a model on strings, without teacher forcing."""
    untaught = batch._replace(mask=torch.zeros_like(batch.mask))
    answered = model(untaught)[0].argmax(dim=2)
    return Strings(
        symbols=alphabet.symbols(batch.input),
        answers=torch.where(batch.mask, answered, NOTHING).numpy(),
        right=torch.where(batch.mask, batch.target, NOTHING).numpy(),
        real=real_steps(batch, "network").numpy(),
    )


@torch.no_grad()
def states_after(model: Stream, batch: Batch) -> Numbers:
    """Return the states `(B, T, D)` after each symbol."""
    trace = traces(model, batch)["network"]
    system = System(model)
    return system.run(without_teacher(system, trace.inputs), trace.start).double().numpy()
