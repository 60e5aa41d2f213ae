"""Oscillation: continue a closed curve, after a cue of its first points."""

import math
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Gt, Le
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.plots.draw import join, line_plot, path_plot
from rnnlab.ranges import Count, NonNegative, PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split
from rnnlab.stackable import stackable
from rnnlab.tasks import orbit
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.curves import CURVES, CurveName, Numbers
from rnnlab.tasks.lengths import Lengths

PeriodSteps = Annotated[float, Gt(2), Le(1e6)]  # with two points per period a curve is undefined
Noise = Annotated[NonNegative, Le(1000)]  # curves have a size of 1

_OUTLINE_POINTS = 512
_FAR = 1e3  # outputs are clamped to this size in metrics


@stackable()
class Oscillation(Task):
    """Oscillation: continue a closed curve after a few of its points.

    After the figure eight of Pearlmutter (1989) and the cycles of Jordan (1986). Curve
    `four_corners` of a square a-d, cue 2 steps, length 4:

        input    a b c d a
        target   b c d a b
        mask     . x x x x

    In free running the answer is the next input, so the net must learn an attracting orbit, not
    only the next point. `input_noise` trains that: targets of noisy inputs lie on the curve. In the
    encoder-decoder layout the encoder reads the cue, `a b`, and the decoder continues: input
    `b c d a`, target `c d a b`.

    With `taught_outputs` the other outputs have no target, so nothing is fed back: the net reads
    the cue, then zeros, and must oscillate by itself.

    Metrics, teacher-forced or free-running: `distance` of the answers from the curve and its
    maximum over each sequence (with one coordinate, of its delay embedding at a quarter of the
    period); `amplitude_error`, the relative error of the standard deviation; `period_error`, the
    relative error of the period, 1 at most and without a period. A discrete curve has `on_cycle`
    instead, the share of steps whose nearest point is the right one.

    Args:
        curve: name of the curve, see `curves.py`.
        period_steps: steps in one period; `null` for the default of the curve.
        max_period_steps: each sequence has its own frequency, uniform between those of
            `period_steps` and this; `null` for one period.
        random_phase: whether each sequence starts at a random point of the curve.
        cue_steps: points read before the first answer.
        length: answered steps in training.
        eval_periods: answered periods in validation and test, of the longest period.
        input_noise: standard deviation of the noise on the inputs in training.
        taught_outputs: indices of the outputs that count in loss and metrics; `null` for all.
    """

    higher_is_better: ClassVar = {
        **Task.higher_is_better,
        "distance": False,
        "max_distance": False,
        "amplitude_error": False,
        "period_error": False,
        "on_cycle": True,
    }

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        curve: CurveName,
        period_steps: PeriodSteps | None,
        max_period_steps: PeriodSteps | None,
        random_phase: bool,
        cue_steps: PositiveInt,
        length: PositiveInt,
        eval_periods: PositiveInt,
        input_noise: Noise,
        taught_outputs: list[Count] | None,
    ) -> None:
        super().__init__(layout, seed)
        if curve not in CURVES:
            raise ConfigError(f"curve must be one of {', '.join(CURVES)}, got {curve!r}")
        self.curve = CURVES[curve]
        self.target_names = self.curve.names
        self.name = curve
        self.period_steps = self.curve.period_steps if period_steps is None else period_steps
        self.max_period_steps = max_period_steps or self.period_steps
        self._check_periods(period_steps, max_period_steps)
        self.random_phase = random_phase
        self.cue_steps = cue_steps
        self.length = length
        self.lengths = Lengths(length, length)
        self.eval_periods = eval_periods
        self.input_noise = input_noise

        size, plan_size = len(self.curve.names), self.curve.plan_size
        self.zero_input = taught_outputs is not None
        self.taught = _check_taught(taught_outputs, size)
        seen = Reals(size + plan_size)
        self.spec = self.spec_of(seen, Reals(size), feedback=not self.zero_input)
        num_points = self.curve.period_steps if self.curve.discrete else _OUTLINE_POINTS
        outline = self.curve.outline(num_points)
        self.outline = torch.from_numpy(outline[..., self.taught]).float()
        spread = self.outline - self.outline.mean(dim=1, keepdim=True)
        self.floor = {"loss": float(spread.square().mean()), "amplitude_error": 1.0}
        self.floor |= {"on_cycle": 1 / num_points} if self.curve.discrete else {"period_error": 1.0}

    def _check_periods(self, period_steps: float | None, max_period_steps: float | None) -> None:
        own = self.curve.period_steps
        if self.curve.discrete and (self.period_steps != own or max_period_steps is not None):
            raise ConfigError(
                f"curve={self.name} has a period of {own} steps: give period_steps=null "
                f"max_period_steps=null, got {period_steps} and {max_period_steps}"
            )
        if max_period_steps is not None and max_period_steps <= self.period_steps:
            raise ConfigError(
                f"max_period_steps must be above period_steps={self.period_steps:g}, "
                f"got {max_period_steps:g}"
            )

    @property
    def unanswered(self) -> int:
        """Number of first steps of the target that are not answered."""
        return self.cue_steps - 1 if self.layout == "stream" else 0

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; `length` counts the answered steps."""
        rng = self.rng(split, index)
        points, plan = self._draw(rng, batch_size, self.cue_steps + self._answered(split, length))
        seen = points
        if split == "train" and self.input_noise:
            seen = points + rng.normal(0, self.input_noise, points.shape)
        seen = np.concatenate([seen, plan], axis=2)
        if self.layout == "stream":
            source, read, target = None, seen[:, :-1], points[:, 1:]
        else:
            source, read, target = (
                seen[:, : self.cue_steps],
                seen[:, self.cue_steps - 1 : -1],
                points[:, self.cue_steps :],
            )
        if self.zero_input:
            first = self.cue_steps if source is None else 0
            read[:, first:, : points.shape[2]] = 0
        return self._batch(read, target, source)

    def _answered(self, split: Split, length: int | None) -> int:
        if length is not None:
            return length
        return (
            self.length
            if split == "train"
            else math.ceil(self.eval_periods * self.max_period_steps)
        )

    def _draw(
        self, rng: np.random.Generator, batch_size: int, num_points: int
    ) -> tuple[Numbers, Numbers]:
        """Draw orbits `(B, num_points, D)` and their constant plans."""
        phases = np.zeros((batch_size, 1))
        if self.random_phase:
            phases = rng.random((batch_size, 1))
        if self.curve.discrete:
            phases = np.floor(phases * self.curve.period_steps) / self.curve.period_steps
        turns = rng.uniform(1 / self.max_period_steps, 1 / self.period_steps, (batch_size, 1))
        which = rng.integers(len(self.curve.shapes), size=batch_size)
        points = self.curve.points(phases + turns * np.arange(num_points), which)
        plan = np.eye(len(self.curve.shapes))[which][:, None, : self.curve.plan_size]
        return points, plan.repeat(num_points, axis=1)

    def _batch(self, read: Numbers, target: Numbers, source: Numbers | None) -> Batch:
        mask = torch.ones(target.shape[:2], dtype=torch.bool)
        mask[:, : self.unanswered] = False
        taught = torch.zeros(target.shape, dtype=torch.bool)
        taught[..., self.taught] = True
        return Batch(
            input=to_tensor(read),
            target=to_tensor(target),
            mask=mask,
            source=None if source is None else to_tensor(source),
            source_mask=None if source is None else torch.ones(source.shape[:2], dtype=torch.bool),
            target_mask=taught if self.zero_input else None,
        )

    @torch.no_grad()
    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the metrics of the orbit, which don't depend on the phase."""
        scores = super().metrics(output, batch)
        answer = output[:, self.unanswered :, self.taught].float()
        answer = answer.nan_to_num(_FAR, _FAR, -_FAR).clamp(-_FAR, _FAR)
        target = batch.target[:, self.unanswered :]
        right = target[..., self.taught]
        apart = self._distance(answer, target, batch)
        if apart.shape[1]:
            scores["distance"] = _mean(apart)
            scores["max_distance"] = _mean(apart.amax(dim=1))
        scores["amplitude_error"] = _mean((_amplitude(answer) / _amplitude(right) - 1).abs())
        if self.curve.discrete:
            nearest = [torch.cdist(x, self._outline(batch)).argmin(2) for x in (answer, right)]
            scores["on_cycle"] = _mean((nearest[0] == nearest[1]).float())
        else:
            shortest = self.period_steps / 2
            periods, due = (
                orbit.period(x, shortest, self.max_period_steps) for x in (answer, right)
            )
            error = (periods / due - 1).abs().nan_to_num(1.0).clamp(max=1)
            scores["period_error"] = _mean(error.where(~due.isnan(), math.nan))
        return scores

    def phases(self, batch: Batch) -> Tensor | None:
        """Fit the initial phase of each row; phases increase at constant speed."""
        target = batch.target
        periods = target.new_full(target.shape[:1], self.period_steps)
        if self.max_period_steps > self.period_steps:
            periods = orbit.period(target, self.period_steps, self.max_period_steps)
            if periods.isnan().any():
                return None
        return orbit.phases(target[..., self.taught], self._outline(batch), periods)

    def _outline(self, batch: Batch) -> Tensor:
        """Return the outline of each row's curve, `(B, M, D)`."""
        outline = self.outline.to(batch.target.device)
        if not self.curve.plan_size:
            return outline.expand(batch.target.shape[0], -1, -1)
        return outline[batch.input[:, 0, -self.curve.plan_size :].argmax(dim=1)]

    def _distance(self, answer: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the distance of each answer from its curve, `(B, T)`; less steps if embedded."""
        outline = self._outline(batch)
        if answer.shape[2] == 1:
            steps = torch.full_like(answer[:, 0, 0], self.period_steps)
            if self.max_period_steps > self.period_steps:
                steps = orbit.period(target, self.period_steps, self.max_period_steps)
            lags = (steps.nan_to_num(self.period_steps) / 4).round()
            longest = math.ceil(self.max_period_steps / 4)
            lags = lags.clamp(1, longest)
            answer = orbit.embed(answer[..., 0], lags.long(), longest)
            answer = answer.where(~steps.isnan()[:, None, None], math.nan)
            outline = orbit.embed_outline(
                outline[..., 0], lags / steps.nan_to_num(self.period_steps)
            )
        return orbit.distance(answer, outline, discrete=self.curve.discrete)

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw targets and outputs over time, and in the plane if there are two coordinates."""
        pictures = []
        for row in range(min(2, batch.target.shape[0])):
            answer = output[row].float().cpu().numpy().copy()
            answer[: self.unanswered] = np.nan
            truth = batch.target[row].cpu().numpy()
            shape = list(self.curve.shapes)[self._which(batch, row)]
            picture = line_plot(
                {
                    name: {"target": truth[:, i], "answer": answer[:, i]}
                    for i, name in enumerate(self.curve.names)
                    if i in self.taught
                },
                title=f"{shape}, sequence {row + 1}",
                x_label="step",
                shade_until=self.unanswered,
            )
            if len(self.taught) == 2 == len(self.curve.names):
                outline = self.outline[0].numpy()
                closed = np.concatenate([outline, outline[:1]])
                x, y = self.curve.names
                paths = {"target": closed, "answer": answer[self.unanswered :]}
                path = path_plot(paths, title=f"{y} over {x}")
                picture = join([path, picture])
            pictures.append(picture)
        return join(pictures, vertical=True)

    def _which(self, batch: Batch, row: int) -> int:
        plan_size = self.curve.plan_size
        return int(batch.input[row, 0, -plan_size:].argmax()) if plan_size else 0


def _check_taught(taught_outputs: list[int] | None, size: int) -> list[int]:
    """Return the sorted indices of the taught outputs."""
    if taught_outputs is None:
        return list(range(size))
    taught = sorted(set(taught_outputs))
    if not taught or len(taught) < len(taught_outputs) or not 0 <= taught[0] <= taught[-1] < size:
        raise ConfigError(
            f"taught_outputs must name different outputs from 0 to {size - 1}, got {taught_outputs}"
        )
    return taught


def to_tensor(numbers: Numbers) -> Tensor:
    """Convert an array to a float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))


def _amplitude(points: Tensor) -> Tensor:
    """Return the root mean square deviation from the mean over time, `(B, T, D)` -> `(B,)`."""
    spread = points - points.mean(dim=1, keepdim=True)
    return spread.square().sum(2).mean(1).sqrt()


def _mean(values: Tensor) -> Mean:
    """Return the mean over the values that are not NaN."""
    known = ~values.isnan()
    return Mean(values.nan_to_num(0.0).sum() / known.sum(), known.sum())
