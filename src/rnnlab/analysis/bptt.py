"""Backpropagation through time drawn step by step, with the numbers of a trained model."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, draw_batch
from rnnlab.analysis.figures.bptt import draw
from rnnlab.analysis.figures.bptt_window import Window, largest_rows_and_columns
from rnnlab.analysis.probe.backpropagation import Backpropagation, backpropagate
from rnnlab.analysis.probe.gradients import top_part
from rnnlab.analysis.probe.observe import differentiable
from rnnlab.analysis.probe.system import batch_in_double, systems
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.ranges import Count, Positive, PositiveInt
from rnnlab.spec import Batch, map_batch
from rnnlab.tasks.base import Task

_MOST = 2**27  # numbers in the contributions of all steps


@dataclass(frozen=True, kw_only=True)
class Bptt(Analysis):
    """Backpropagation through time on one sequence, with the network unrolled.

    Each step has a copy of the weights; activations go forward, deltas dL/dh_t backward, and each
    copy's change is minus the learning rate times its gradient. The copies are tied, so they all
    take the sum of the changes, which is the gradient of autograd (Werbos, 1990); some programs
    took the mean, which is a smaller learning rate. L is the task's loss: a mean over answers. A
    training `horizon` is lifted. Attention, bridge and backward encoder are not drawn.

    Args:
        sequence: index of the test sequence.
        length: its length; `null` is the longest trained.
        num_steps: number of steps drawn, the last up to the last answer; of an encoder-decoder
            model those around the bridge.
        num_units: number of units drawn of each vector, those with the largest deltas.
        learning_rate: learning rate of plain gradient descent; `null` is the run's.
    """

    sequence: Count
    length: PositiveInt | None
    num_steps: PositiveInt
    num_units: PositiveInt
    learning_rate: Positive | None

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject models without recurrence."""
        if any(system.recurrent for system in systems(model).values()):
            return None
        return "delay taps only pass inputs on, so there is nothing to unroll"

    def analyze(self, experiment: Experiment) -> Findings:
        """Backpropagate through one sequence."""
        model, task = deepcopy(experiment.model).double(), experiment.task
        optimizer = experiment.cfg.optimizer
        rate = optimizer.lr if self.learning_rate is None else self.learning_rate
        length = task.trained_length if self.length is None else self.length
        batch = _last(draw_batch(experiment, self.sequence + 1, length))
        _check_size(model, batch)
        found = backpropagate(model, task, batch)
        changes = {name: -rate * steps for name, steps in found.gradients.items()}
        difference = _difference(model, task, batch, found)
        descent = optimizer._target_.endswith("SGD")
        window = Window(model, task, batch, found, self.num_steps, self.num_units)
        return Findings(
            lines=[
                f"loss {found.loss:.4g} over {batch.mask.shape[1]} steps, "
                f"{int(batch.mask.sum())} of them answered; numbers of each step are in order",
                *(
                    f"|dL/d {top_part(system)}| in the {name}: "
                    f"{_few(found.systems[name].deltas[top_part(system)])}"
                    for name, system in systems(model).items()
                    if name in window.shown
                ),
                f"norms of the weights' changes at learning rate {rate:g}"
                + (":" if descent else " (plain descent; the run's optimizer rescales them):"),
                *(
                    f"  {name}: {_few(steps)}; sum {steps.sum(0).norm():.2g}"
                    for name, steps in changes.items()
                    if steps.dim() > 2 and window.drawn_steps(name)  # a bias is like its delta
                ),
                f"sums differ from autograd's gradient by at most {difference:.1g}",
                *(
                    f"training cut gradients after {system.stream.horizon} steps in the {name}; "
                    "here they flow on"
                    for name, system in systems(model).items()
                    if system.stream.horizon is not None
                ),
            ],
            numbers={
                "loss": found.loss,
                "losses": found.losses,
                "learning_rate": rate,
                "difference_from_autograd": difference,
                "passages": {
                    name: {
                        "state_norms": _norms(passage.states),
                        "delta_norms": _norms(passage.deltas),
                        "carried_norms": _norms(passage.carried),
                    }
                    for name, passage in found.systems.items()
                },
                "changes": {
                    name: {
                        "shape": list(steps.shape[1:]),
                        "norms": steps.flatten(1).norm(dim=1),
                        "sum_norm": steps.sum(0).norm(),
                        "mean_norm": steps.mean(0).norm(),
                    }
                    for name, steps in changes.items()
                },
            },
            tables={
                "": [
                    ["system", "step", "part", "unit", "value", "delta", "carried"],
                    *_state_rows(found),
                ],
                "weights": [
                    ["weight", "row", "column", "step", "change"],
                    *_change_rows(changes, window),
                ],
            },
            pictures={"": Picture(lambda: draw(window.drawn(changes, rate)))},
        )


def _difference(model: Model, task: Task, batch: Batch, found: Backpropagation) -> float:
    """Return the largest difference between summed contributions and autograd's gradient."""
    parameters = dict(model.named_parameters())
    with differentiable(model):
        loss = task.loss(model(batch)[0], batch)
    whole = torch.autograd.grad(loss, [parameters[name] for name in found.gradients])
    return max(
        float((steps.sum(0) - gradient).abs().max())
        for steps, gradient in zip(found.gradients.values(), whole, strict=True)
    )


def _check_size(model: Model, batch: Batch) -> None:
    """Check that the contributions of all steps fit in memory."""
    steps = batch.input.shape[1] + (0 if batch.source is None else batch.source.shape[1])
    count = sum(parameter.numel() for parameter in model.parameters())
    if steps * count > _MOST:
        raise ConfigError(
            f"the sequence must have at most {_MOST // count} steps, for each has its own copy of "
            f"{count} parameters, got {steps}: take a smaller analysis.length or task.length"
        )


def _last(batch: Batch) -> Batch:
    """Return the last sequence in float64, its source without padding."""
    one = map_batch(lambda part: part[-1:], batch_in_double(batch))
    if one.source is None or one.source_mask is None:
        return one
    size = int(one.source_mask.sum())
    return one._replace(source=one.source[:, :size], source_mask=one.source_mask[:, :size])


def _few(steps: Tensor) -> str:
    """Return the norms of the first and last steps as text."""
    norms = [f"{norm:.2g}" for norm in steps.flatten(1).norm(dim=1).tolist()]
    return " ".join(norms if len(norms) <= 8 else [*norms[:4], "...", *norms[-4:]])


def _norms(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: steps.norm(dim=1) for name, steps in parts.items()}


def _state_rows(found: Backpropagation) -> Iterator[list[Any]]:
    for name, passage in found.systems.items():
        for part, states in passage.states.items():
            columns = (states, passage.deltas[part], passage.carried[part])
            for step, values in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
                for unit, numbers in enumerate(zip(*values, strict=True)):
                    yield [name, step, part, unit, *numbers]
        if name == next(reversed(found.systems)):
            pairs = zip(found.outputs.tolist(), found.output_deltas.tolist(), strict=True)
            for step, values in enumerate(pairs):
                for unit, numbers in enumerate(zip(*values, strict=True)):
                    yield [name, step, "answer", unit, *numbers, None]


def _change_rows(changes: dict[str, Tensor], window: Window) -> Iterator[list[Any]]:
    """Yield the drawn numbers of the weight changes, and all of the biases."""
    for name, steps in changes.items():
        table = steps if steps.dim() > 2 else steps[:, :, None]
        rows, columns = largest_rows_and_columns(table)
        drawn = window.drawn_steps(name)
        written = [*((s, table[s]) for s in drawn), ("sum", table.sum(0)), ("mean", table.mean(0))]
        for row in rows.tolist():
            for column in columns.tolist():
                for step, change in written:
                    yield [name, row, column, step, float(change[row, column])]
