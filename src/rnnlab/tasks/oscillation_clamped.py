"""Oscillation from a clamped initial state, without a cue in the input."""

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.ranges import Count, PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split, TaskSpec
from rnnlab.stackable import stackable
from rnnlab.tasks.curves import CurveName
from rnnlab.tasks.oscillation import Noise, Oscillation, PeriodSteps, to_tensor


@stackable()
class OscillationClamped(Oscillation):
    """Oscillation from a clamped initial state, without input.

    Curve `four_corners` of a square a-d, length 4, `clamped_points` 1:

        initial  a
        input    0 0 0 0
        target   b c d a
        mask     x x x x

    The first units of the state are clamped to the last points before step 0, newest first; the
    input is the plan if the curve has one, else zero. Answers are not fed back to the input. An
    encoder-decoder model has no state to clamp: its encoder reads the points.

    Args:
        clamped_points: points in the initial state; with one coordinate, two points determine the
            direction and three the speed. All others as in `Oscillation`.
        initial_noise: standard deviation of the noise on the clamped points in training: targets
            stay on the curve, to which a net then learns to return.
    """

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        curve: CurveName,
        period_steps: PeriodSteps | None,
        max_period_steps: PeriodSteps | None,
        random_phase: bool,
        clamped_points: PositiveInt,
        length: PositiveInt,
        eval_periods: PositiveInt,
        initial_noise: Noise,
        taught_outputs: list[Count] | None,
    ) -> None:
        super().__init__(
            layout,
            seed,
            curve=curve,
            period_steps=period_steps,
            max_period_steps=max_period_steps,
            random_phase=random_phase,
            cue_steps=clamped_points,
            length=length,
            eval_periods=eval_periods,
            input_noise=0.0,
            taught_outputs=taught_outputs,
        )
        self.initial_noise = initial_noise
        size = len(self.curve.names)
        if random_phase and size == 1 and clamped_points == 1:
            raise ConfigError(
                f"clamped_points must be 2 or more with curve={curve}: one number alone does not "
                "say which way it goes"
            )
        stream = layout == "stream"
        self.spec = TaskSpec(
            input=Reals(self.curve.plan_size or 1),
            target=Reals(size),
            source=None if stream else Reals(size + self.curve.plan_size),
            initial=Reals(clamped_points * size) if stream else None,
        )

    @property
    def unanswered(self) -> int:
        """Always 0, since every step is answered."""
        return 0

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; `length` counts the answered steps."""
        rng = self.rng(split, index)
        points, plan = self._draw(rng, batch_size, self.cue_steps + self._answered(split, length))
        clue, target = points[:, : self.cue_steps], points[:, self.cue_steps :]
        if split == "train" and self.initial_noise:
            clue = clue + rng.normal(0, self.initial_noise, clue.shape)
        inputs = plan if self.curve.plan_size else np.zeros((*points.shape[:2], 1))
        read = inputs[:, self.cue_steps :]
        if self.layout == "stream":
            initial = to_tensor(clue[:, ::-1].reshape(batch_size, -1))
            return self._batch(read, target, None)._replace(initial=initial)
        source = np.concatenate([clue, plan[:, : self.cue_steps]], axis=2)
        return self._batch(read, target, source)
