"""States of a system on test sequences, with the symbol and the phase of each step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.base import draw_batch
from rnnlab.analysis.probe.system import (
    ANSWERING,
    Part,
    System,
    Trace,
    choose_system,
    real_steps,
    stateful,
    traces,
)
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq, reverse_real
from rnnlab.spec import Batch
from rnnlab.tasks.base import Task

_SPACE = "\N{OPEN BOX}"


class LabelledTrace(NamedTuple):
    """The states of a system on B test sequences of T steps.

    Attributes:
        name: name of the system.
        system: the system.
        trace: what its cells read.
        states: `(B, T, D)`, after each step.
        real: `(B, T)` bool, True up to the last answer or the last source step.
        symbols: `(B, T)`, the name of each input, or `None` if inputs have no names.
        phases: `(B, T)`, the phase of the target in turns, if the task has a period.
    """

    name: str
    system: System
    trace: Trace
    states: Tensor
    real: Tensor
    symbols: "np.ndarray | None"
    phases: Tensor | None

    def columns(self, row: int, count: int) -> Sequence[str]:
        """Return the names of a sequence's first steps: the symbols, or the step numbers."""
        steps = min(count, int(self.real[row].sum()))
        if self.symbols is None:
            return [str(step) for step in range(steps)]
        return [str(symbol) for symbol in self.symbols[row, :steps]]


@torch.no_grad()
def labelled_trace(
    experiment: Experiment, name: str | None, num_sequences: int, length: int | None
) -> LabelledTrace:
    """Run a model on test sequences; system `None` is the network, or the encoder.

    Raises:
        ConfigError: there is no system of that name, or the task can't make such sequences.
    """
    model, task = experiment.model, experiment.task
    found = stateful(model)
    name = choose_system(found, name)
    batch = draw_batch(experiment, num_sequences, length)
    trace = traces(model, batch)[name]
    symbols = [names(task, row) for row in _ids(model, name, batch)]
    return LabelledTrace(
        name,
        found[name],
        trace,
        found[name].run(trace.inputs, trace.start),
        real_steps(batch, name),
        None if None in symbols else np.array(symbols),
        task.phases(batch) if name in ANSWERING else None,
    )


def layer_parts(system: System, layer: int | None) -> list[Part]:
    """Return the parts of the state in one layer, `None` for the highest.

    Raises:
        ConfigError: there is no such layer.
    """
    count = len(system.cell.layers)
    if layer is not None and layer > count:
        raise ConfigError(f"analysis.layer must be null or 1 to {count}, got {layer}")
    prefix = f"layer{layer or count}." if count > 1 else ""
    return [
        part._replace(name=part.name.removeprefix(prefix))
        for part in system.parts
        if part.name.startswith(prefix)
    ]


def _ids(model: Model, name: str, batch: Batch) -> Tensor:
    """Return the inputs of a system in the order of reading."""
    if not isinstance(model, Seq2Seq) or name in ANSWERING:
        return batch.input
    assert batch.source is not None
    reverse = model.reverse_source == (name == "encoder")
    return reverse_real(batch.source, real_steps(batch, name)) if reverse else batch.source


def names(task: Task, ids: Tensor) -> list[str] | None:
    """Return the names of inputs `(T,)` or `(T, I)`, `None` if the task has none for vectors."""
    found = task.labels(ids)
    if ids.dim() > 1 and found == Task.labels(task, ids):
        return None
    return [_SPACE if name == " " else name for name in found]
