"""Writes states and gradients inside the model to TensorBoard while it trains."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as L
import torch
from PIL import Image
from torch import Tensor

from rnnlab.analysis.diagnostics import Diagnostics, diagnose
from rnnlab.analysis.probe.gradients import Flow
from rnnlab.models.base import Model
from rnnlab.plots.draw import heat_map, scatter_paths
from rnnlab.runs.tensorboard import Events
from rnnlab.spec import Batch, map_batch
from rnnlab.training.file_logger import event_files
from rnnlab.training.module import SequenceModule

_ROWS = 8
_MAX_LINES = 16  # of the picture; of more every second one is kept
_MIN_EXPONENT = -6  # the smallest share of a gradient that is drawn, as a power of ten
_GROWTH = 4  # ratio between the updates of one picture and the next


def default_period(max_steps: int) -> int:
    """Return the updates between two measurements: ten of a run, but every 250 of a long one."""
    return min(max(max_steps // 10, 10), 250)


class Watch(L.Callback):
    """Measures the model every `every` updates, on some rows of the last training batch.

    Under `watch/` it logs the scalars of `diagnose` and the gradient's norm after clipping, and a
    picture with a line for each measurement of how the gradient vanishes backwards in time. The
    picture takes as long as several measurements, so it is drawn at validations that are ever
    further apart. With `full` everything is drawn at each validation, also the last gradient
    between each pair of steps, the states in their principal plane, and histograms of every
    parameter.

    It draws no random numbers and changes nothing: weights, gradients and the next batch are the
    same as without it.

    Args:
        every: updates between two measurements.
        full: whether to draw everything at each validation.
    """

    def __init__(self, every: int, *, full: bool) -> None:
        self.every = every
        self.full = full
        self._lines: list[tuple[int, Tensor]] = []
        self._last: Diagnostics | None = None
        self._drawn = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the lines of the picture, and the last measurement if it is not drawn yet."""
        last = self._last
        if not self._lines and last is None and not self._drawn:
            return {}  # and no entry in the checkpoint
        return {
            "steps": [step for step, _ in self._lines],
            "lines": [line for _, line in self._lines],
            "drawn": self._drawn,
            "last": last and {"flow": last.flow and [*last.flow], "planes": {**last.planes}},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the lines and the last measurement."""
        self._lines = list(zip(state_dict["steps"], state_dict["lines"], strict=True))
        self._drawn = state_dict["drawn"]
        last = state_dict["last"]
        if last is not None:
            flow = last["flow"] and Flow(*last["flow"])
            self._last = Diagnostics({}, None, flow, last["planes"])

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Measure and log scalars if it is time."""
        assert isinstance(pl_module, SequenceModule)
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if not whole or trainer.global_step % self.every or not trainer.is_global_zero:
            return
        few = map_batch(lambda part: part[:_ROWS], batch)
        seen = diagnose(pl_module.model, pl_module.task, few, full=self.full)
        scalars = dict(seen.scalars)
        if pl_module.grad_norm is not None:
            limit = trainer.gradient_clip_val or float("inf")
            scalars["grad_norm_clipped"] = min(float(pl_module.grad_norm), float(limit))
        if seen.decay is not None:
            self._lines.append((trainer.global_step, seen.decay))
        if len(self._lines) > _MAX_LINES:
            self._lines = self._lines[1::2]
        self._last = seen
        row = {f"watch/{name}": value for name, value in scalars.items()}
        for events in event_files(trainer):
            events.log_metrics(row, trainer.global_step)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the last measurement if a picture is due."""
        assert isinstance(pl_module, SequenceModule)
        step = trainer.global_step
        due = self.full or step >= _GROWTH * self._drawn or step == trainer.max_steps
        if self._last is not None and due:
            for events in event_files(trainer):
                self._show(events, pl_module.model, self._last, step)
            self._last, self._drawn = None, step

    def _show(self, events: Events, model: Model, seen: Diagnostics, step: int) -> None:
        if self._lines:
            events.show("watch/gradient_over_training", _over_training(self._lines), step)
        if not self.full:
            return
        if seen.flow is not None:
            events.show("watch/gradient_through_time", _through_time(seen.flow), step)
        for name, points in seen.planes.items():
            title = f"states of the {name}: first step light"
            events.show(f"watch/states_{name}", scatter_paths(points, title=title), step)
        for name, parameter in model.named_parameters():
            events.show_histogram(f"watch/{name}", parameter, step)


def _over_training(lines: Sequence[tuple[int, Tensor]]) -> Image.Image:
    """Draw the share of the gradient that is left at each distance, a row a measurement."""
    longest = max(len(line) for _, line in lines)
    rows = torch.full((len(lines), longest), torch.nan)
    for row, (_, line) in zip(rows, lines, strict=True):
        row[: len(line)] = line
    return heat_map(
        _logarithm(rows),
        row_labels=[f"update {step}" for step, _ in lines],
        column_labels=_every_fifth(range(longest)),
        title="gradient left so many steps back, powers of ten",
        limits=(_MIN_EXPONENT, 0),
    )


def _through_time(flow: Flow) -> Image.Image:
    norms = flow.norms.nanmean(0)
    return heat_map(
        _logarithm(norms / norms.nan_to_num(0).max()),
        row_labels=[str(t) for t in flow.answers.tolist()],
        column_labels=_every_fifth(flow.steps.tolist()),
        title="gradient of the loss at step t (down) by the state at s (across), powers of ten",
        limits=(_MIN_EXPONENT, 0),
    )


def _logarithm(shares: Tensor) -> Any:
    return shares.cpu().log10().clamp(min=_MIN_EXPONENT).numpy()


def _every_fifth(steps: Sequence[int]) -> list[str]:
    return [str(step) if step % 5 == 0 else "" for step in steps]
