"""Keeping a rhythm: going round a closed curve without end, begun by a cue."""

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
from rnnlab.spec import Batch, Layout, Reals, Split, TaskSpec
from rnnlab.stackable import stackable
from rnnlab.tasks import orbit
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.curves import CURVES, CurveName, Numbers
from rnnlab.tasks.lengths import Lengths

PeriodSteps = Annotated[float, Gt(2), Le(1e6)]  # two points a period tell nothing
Noise = Annotated[NonNegative, Le(1000)]  # the curves are of size 1

_OUTLINE_POINTS = 512
_FAR = 1e3  # diverged runs score as if they were no farther out than this


@stackable()
class Oscillation(Task):
    """Oscillation: go on with a closed curve from a few of its points.

    After the figure eight of Pearlmutter (1989) and the cycles of Jordan (1986). Curve
    `four_corners` of a square a-d, cue 2 steps, length 4:

        input    a b c d a
        target   b c d a b
        mask     . x x x x

    The answer is the next input where the net runs free, so an orbit that attracts is to be
    learned, not only the next point. `input_noise` teaches that: near the orbit, too, the right
    answer lies on it. In the encoder-decoder layout the encoder reads the cue, `a b`, and the
    decoder goes on: input `b c d a`, target `c d a b`.

    With `taught_outputs` the other outputs have no right value, so nothing can be fed back: the
    net hears the cue, then zeros, and must swing by itself.

    Scores, teacher-forced or free-running: `distance` of the answers to the curve as a set and
    its maximum over each run (for one number, of its delay embedding at a quarter of the period);
    `amplitude_error`, of the deviation from the mean; `period_error`, at most 1, which is also
    what answers without a period get. All relative errors are shares. A discrete curve has no
    `period_error` but `on_cycle`, the share of steps whose nearest point is the right one.

    Args:
        layout: given by the model.
        seed: of the data.
        curve: which one; see `curves.py`.
        period_steps: steps in one period; `null` is the curve's own.
        max_period_steps: each sequence has its own frequency, uniform between those of
            `period_steps` and this. `null` is one period for all.
        random_phase: whether each sequence begins somewhere else on the curve.
        cue_steps: points given before the first answer.
        length: steps answered in training.
        eval_periods: periods answered in validation and test, of the longest.
        input_noise: standard deviation of the noise on the points read in training.
        taught_outputs: numbers of the outputs that are taught and scored; `null` is all.
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
        self.name = curve
        self.period_steps = self.curve.period_steps if period_steps is None else period_steps
        self.max_period_steps = max_period_steps or self.period_steps
        self._check_periods(period_steps, max_period_steps)
        self.random_phase = random_phase
        self.cue_steps = cue_steps
        self.length = length
        self.eval_periods = eval_periods
        self.input_noise = input_noise

        size, plan_size = len(self.curve.names), self.curve.plan_size
        self.silent = taught_outputs is not None
        self.taught = _check_taught(taught_outputs, size)
        seen = Reals(size + plan_size)
        self.spec = TaskSpec(
            input=seen,
            target=Reals(size),
            source=seen if layout == "encoder_decoder" else None,
            feedback=not self.silent,
        )
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
    def trained_lengths(self) -> Lengths:
        """The answered steps of a training sequence."""
        return Lengths(self.length, self.length)

    @property
    def unanswered(self) -> int:
        """Steps at the beginning of the target that are not answered."""
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
        if self.silent:
            given = self.cue_steps if source is None else 0
            read[:, given:, : points.shape[2]] = 0
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
        """Draw orbits `(B, num_points, D)` and the constant plans beside them."""
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
            target_mask=taught if self.silent else None,
        )

    @torch.no_grad()
    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add to the loss what tells of the orbit, wherever on it the answers are."""
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
            found, due = (orbit.period(x, shortest, self.max_period_steps) for x in (answer, right))
            error = (found / due - 1).abs().nan_to_num(1.0).clamp(max=1)
            scores["period_error"] = _mean(error.where(~due.isnan(), math.nan))
        return scores

    def phases(self, batch: Batch) -> Tensor | None:
        """Fit each row's start on its curve; the rest follows at its speed."""
        target = batch.target
        periods = target.new_full(target.shape[:1], self.period_steps)
        if self.max_period_steps > self.period_steps:
            periods = orbit.period(target, self.period_steps, self.max_period_steps)
            if periods.isnan().any():
                return None
        return orbit.phases(target[..., self.taught], self._outline(batch), periods)

    def _outline(self, batch: Batch) -> Tensor:
        """Give the curve of each row, `(B, M, D)`."""
        outline = self.outline.to(batch.target.device)
        if not self.curve.plan_size:
            return outline.expand(batch.target.shape[0], -1, -1)
        return outline[batch.input[:, 0, -self.curve.plan_size :].argmax(dim=1)]

    def _distance(self, answer: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Distance of each answer to its row's curve, `(B, T)`; T is less for an embedding."""
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

    def table(self, batch: Batch, output: Tensor) -> list[list[str | float]]:
        """Give truth and answers as rows under a heading, for a file: sequence, step, numbers."""
        heading = [f"{kind}_{name}" for kind in ("truth", "answer") for name in self.curve.names]
        pairs = torch.cat([batch.target, output.to(batch.target)], dim=2).tolist()
        rows: list[list[str | float]] = [
            [row, step, *numbers]
            for row, steps in enumerate(pairs)
            for step, numbers in enumerate(steps)
            if step >= self.unanswered
        ]
        return [["sequence", "step", *heading], *rows]

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw truth against answers over time, and in the plane where there are two numbers."""
        pictures = []
        for row in range(min(2, batch.target.shape[0])):
            answer = output[row].float().cpu().numpy().copy()
            answer[: self.unanswered] = np.nan
            truth = batch.target[row].cpu().numpy()
            shape = list(self.curve.shapes)[self._which(batch, row)]
            picture = line_plot(
                {
                    name: {"truth": truth[:, i], "answer": answer[:, i]}
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
                path = path_plot({"curve": closed, "answer": answer[self.unanswered :]}, title="")
                picture = join([path, picture])
            pictures.append(picture)
        return join(pictures, vertical=True)

    def _which(self, batch: Batch, row: int) -> int:
        plan_size = self.curve.plan_size
        return int(batch.input[row, 0, -plan_size:].argmax()) if plan_size else 0


def _check_taught(taught_outputs: list[int] | None, size: int) -> list[int]:
    """Give the numbers of the taught outputs in order."""
    if taught_outputs is None:
        return list(range(size))
    taught = sorted(set(taught_outputs))
    if not taught or len(taught) < len(taught_outputs) or not 0 <= taught[0] <= taught[-1] < size:
        raise ConfigError(
            f"taught_outputs must name different outputs from 0 to {size - 1}, got {taught_outputs}"
        )
    return taught


def to_tensor(numbers: Numbers) -> Tensor:
    """Numbers as float32."""
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))


def _amplitude(points: Tensor) -> Tensor:
    """Root mean square deviation from the mean over time, `(B, T, D)` -> `(B,)`."""
    spread = points - points.mean(dim=1, keepdim=True)
    return spread.square().sum(2).mean(1).sqrt()


def _mean(values: Tensor) -> Mean:
    """Mean over the values that are numbers."""
    known = ~values.isnan()
    return Mean(values.nan_to_num(0.0).sum() / known.sum(), known.sum())
