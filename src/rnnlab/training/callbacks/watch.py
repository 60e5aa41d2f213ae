"""What happens inside a model while it trains, in TensorBoard."""

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
from rnnlab.runs.loggers import Events
from rnnlab.spec import Batch, map_batch
from rnnlab.training.file_logger import events_of
from rnnlab.training.module import SequenceModule

_ROWS = 8
_MOST_LOOKS = 16  # lines of the picture; of more every second one is kept
_FAINTEST = -6  # powers of ten
_SELDOMER = 2  # from one picture to the next


class Watch(L.Callback):
    """Looks inside the model every `every` updates, at some rows of the last training batch.

    Under `watch/`: the scalars of `diagnose` and the gradient's norm after clipping; and how the
    gradient fades on its way back through time, a line a look, in a picture that is drawn at
    validations, ever more seldom, for it takes as long as several looks. With `full` all is drawn
    at each validation: also the last look's gradient between each pair of steps, its states in
    the plane of their main directions, and histograms of every parameter.

    Nothing random is drawn and nothing of the training changed: weights, gradients and the next
    batch are as they would be without.

    Args:
        every: updates between two looks.
        full: whether it is to show all.
    """

    def __init__(self, every: int, *, full: bool) -> None:
        self.every = every
        self.full = full
        self._looks: list[tuple[int, Tensor]] = []
        self._last: Diagnostics | None = None
        self._drawn = 0

    def state_dict(self) -> dict[str, Any]:
        """Give the lines of the picture so far, and what is still to be drawn."""
        last = self._last
        if not self._looks and last is None and not self._drawn:
            return {}  # and no entry in the checkpoint
        return {
            "steps": [step for step, _ in self._looks],
            "lines": [line for _, line in self._looks],
            "drawn": self._drawn,
            "last": last and {"flow": last.flow and [*last.flow], "planes": {**last.planes}},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the picture."""
        self._looks = list(zip(state_dict["steps"], state_dict["lines"], strict=True))
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
        """Look when it is time."""
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
            self._looks.append((trainer.global_step, seen.decay))
        if len(self._looks) > _MOST_LOOKS:
            self._looks = self._looks[1::2]
        self._last = seen
        row = {f"watch/{name}": value for name, value in scalars.items()}
        for events in events_of(trainer):
            events.log_metrics(row, trainer.global_step)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw what was seen since the last one."""
        assert isinstance(pl_module, SequenceModule)
        step = trainer.global_step
        due = self.full or step >= _SELDOMER * self._drawn or step == trainer.max_steps
        if self._last is not None and due:
            for events in events_of(trainer):
                self._show(events, pl_module.model, self._last, step)
            self._last, self._drawn = None, step

    def _show(self, events: Events, model: Model, seen: Diagnostics, step: int) -> None:
        if self._looks:
            events.show("watch/gradient_over_training", _over_training(self._looks), step)
        if not self.full:
            return
        if seen.flow is not None:
            events.show("watch/gradient_through_time", _through_time(seen.flow), step)
        for name, points in seen.planes.items():
            title = f"states of the {name}: first step light"
            events.show(f"watch/states_{name}", scatter_paths(points, title=title), step)
        for name, parameter in model.named_parameters():
            events.show_histogram(f"watch/{name}", parameter, step)


def _over_training(looks: Sequence[tuple[int, Tensor]]) -> Image.Image:
    """Draw how much of the gradient is left at each distance, of each look."""
    longest = max(len(line) for _, line in looks)
    rows = torch.full((len(looks), longest), torch.nan)
    for row, (_, line) in zip(rows, looks, strict=True):
        row[: len(line)] = line
    return heat_map(
        _logarithm(rows),
        row_labels=[f"update {step}" for step, _ in looks],
        column_labels=_every_fifth(range(longest)),
        title="gradient left so many steps back, powers of ten",
        limits=(_FAINTEST, 0),
    )


def _through_time(flow: Flow) -> Image.Image:
    norms = flow.norms.nanmean(0)
    return heat_map(
        _logarithm(norms / norms.nan_to_num(0).max()),
        row_labels=[str(t) for t in flow.answers.tolist()],
        column_labels=_every_fifth(flow.steps.tolist()),
        title="gradient of the loss at step t (down) by the state at s (across), powers of ten",
        limits=(_FAINTEST, 0),
    )


def _logarithm(shares: Tensor) -> Any:
    return shares.cpu().log10().clamp(min=_FAINTEST).numpy()


def _every_fifth(steps: Sequence[int]) -> list[str]:
    return [str(step) if step % 5 == 0 else "" for step in steps]
