"""Models as autonomous dynamical systems: at a constant input, or fed with their own answers."""

from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.numerics.tangents import Map
from rnnlab.analysis.probe.free_run import FreeRun
from rnnlab.analysis.probe.system import (
    ANSWERING,
    System,
    choose_system,
    real_steps,
    systems,
    traces,
)
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Reals
from rnnlab.tasks.base import Task

InputChoice = str | int | list[float]
"""The input: auto, own (answers), commonest, zero, mean, each, a symbol or numbers."""


_MOST_INPUTS = 9  # panels that a figure holds


class AutonomousMap(NamedTuple):
    """An autonomous map s' = F(s): a model whose input is constant or its own answer.

    Attributes:
        reads: the input in words.
        step: F.
        visited: trajectories `(T, D)` of the model on test sequences.
    """

    reads: str
    step: Map
    visited: list[Tensor]


def feeds_back_reals(task: Task) -> bool:
    """Whether the task feeds real-valued answers back, so that a free run is differentiable."""
    return task.spec.feedback and isinstance(task.spec.target, Reals)


def has_only_taps(model: Model) -> bool:
    """Whether the state of a model holds nothing but its last inputs."""
    return not any(system.recurrent for system in systems(model).values())


def lacks_map(model: Model, task: Task) -> bool:
    """Whether there is no autonomous map, as nothing but the last inputs is carried on."""
    return not model.is_map or (has_only_taps(model) and not feeds_back_reals(task))


def is_free_running(choice: InputChoice, task: Task, name: str | None) -> bool:
    """Whether the choice of input means free running; `name` is the system or `None`.

    Raises:
        ConfigError: the choice is `own`, and the system reads no real-valued answers.
    """
    can = feeds_back_reals(task) and name in (None, *ANSWERING)
    if choice == "own" and not can:
        raise ConfigError(
            "own takes a task whose answers are numbers that are fed back, and analysis.system "
            "null, network or decoder"
        )
    return can and choice in ("own", "auto")


def autonomous_maps(
    model: Model, task: Task, batch: Batch, choice: InputChoice, name: str | None
) -> list[AutonomousMap]:
    """Return the autonomous maps of a model, one for each input that the choice means.

    Args:
        model: a model in float64.
        task: its task.
        batch: test sequences in float64.
        choice: the choice of input.
        name: name of the system, or `None`.

    Raises:
        ConfigError: the choice doesn't suit the model or the task.
    """
    system = choose_system(systems(model), name)
    if is_free_running(choice, task, name):
        return _on_own_answers(model, batch)
    return _at_constant_inputs(model, task, batch, choice, system)


def _on_own_answers(model: Model, batch: Batch) -> list[AutonomousMap]:
    free = FreeRun(model, batch)
    steps = batch.input.shape[1] - int(batch.mask[0].int().argmax()) - 1
    visited, _ = free.run(free.start, free.rows, max(steps, 1))
    return [
        AutonomousMap(reads, _one_row(free, rows[0]), [visited[row] for row in rows])
        for reads, rows in list(free.rows_by_input().items())[
            : 1 if free.reads_source else _MOST_INPUTS
        ]
    ]


def _one_row(free: FreeRun, row: int) -> Map:
    return lambda states: free.step(states, torch.full((len(states),), row))[0]


def _at_constant_inputs(
    model: Model, task: Task, batch: Batch, choice: InputChoice, name: str
) -> list[AutonomousMap]:
    system = systems(model)[name]
    if not system.recurrent:
        raise ConfigError(
            "analysis.input must be own where a state is the last inputs: at a constant one there "
            "is nothing to find"
        )
    embed = system.stream.embed
    extra = system.input_size - embed.size
    taught = 2 * system.stream.output_size if system.stream.taught else 0
    if extra > taught:
        raise ConfigError(
            f"analysis.system={name} is nothing by itself: each step reads a context too, which "
            "is another for each source"
        )
    trace = traces(model, batch)[name]
    visited = system.run(without_teacher(system, trace.inputs), trace.start).detach()
    real = real_steps(batch, name)
    tracks = [states[steps] for states, steps in zip(visited, real, strict=True)]
    raw = batch.input if name in ANSWERING else batch.source
    assert raw is not None
    return [
        AutonomousMap(reads, _held(system, torch.cat([input, input.new_zeros(extra)])), tracks)
        for reads, input in _inputs(choice, system.stream, task, raw[real]).items()
    ]


def _held(system: System, input: Tensor) -> Map:
    return lambda states: system.step(input.expand(len(states), -1), states)


def without_teacher(system: System, inputs: Tensor) -> Tensor:
    """Remove the targets of teacher forcing from inputs `(B, T, I)`."""
    if not system.stream.taught:
        return inputs
    inputs = inputs.clone()
    inputs[..., -2 * system.stream.output_size :] = 0
    return inputs


def _inputs(choice: InputChoice, stream: Stream, task: Task, read: Tensor) -> dict[str, Tensor]:
    """Return the embedded inputs that a choice means, by name.

    Args:
        choice: the choice of input.
        stream: embeds the inputs.
        task: names the symbols.
        read: `(N,)` ids or `(N, I)` numbers of the test sequences.
    """
    embed = stream.embed
    values, counts = read.unique(dim=0, return_counts=True)
    every = embed(torch.arange(stream.spec.input.size)) if embed.tokens else None
    if choice == "zero":
        return {"nothing but zeros": embed(read[:1])[0] * 0}
    commonest = choice in ("auto", "commonest")
    if choice == "mean" or (commonest and int(counts.max()) == 1):
        return {"the mean input": embed(read).mean(0)}
    if commonest:
        value = values[int(counts.argmax())]
        return {_name(task, value): embed(value[None])[0]}
    if choice == "each":
        if len(values) > _MOST_INPUTS:
            raise ConfigError(
                f"analysis.input=each takes tasks with at most {_MOST_INPUTS} different inputs, "
                f"this one has {len(values)}"
            )
        return {_name(task, value): embed(value[None])[0] for value in values}
    if every is not None and not isinstance(choice, list):
        labels = task.labels(torch.arange(len(every)))
        if str(choice) in labels:
            return {f"input {choice}": every[labels.index(str(choice))]}
    if every is None and isinstance(choice, list) and len(choice) == embed.size:
        numbers = torch.tensor(choice, dtype=read.dtype)
        return {_name(task, numbers): numbers}
    takes = "a symbol" if embed.tokens else f"a list of {embed.size} numbers"
    raise ConfigError(
        f"analysis.input must be auto, own, commonest, zero, mean, each or {takes}, got {choice!r}"
    )


def _name(task: Task, value: Tensor) -> str:
    if value.numel() > 3 and not value.any():
        return "nothing but zeros"
    if value.dim():
        return "input " + " ".join(f"{number:g}" for number in value.tolist())
    label = task.labels(value[None])[0]
    return f"input {label if label.strip() else repr(label)}"
