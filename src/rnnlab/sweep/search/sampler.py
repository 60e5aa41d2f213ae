"""What is tried next."""

import warnings
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from rnnlab.sweep.search.plan import Plan

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


class Asking:
    """Asks a study for trials, those first that an earlier start left running.

    Each has a sampler of its own, seeded by the trial's number: one sampler for all would begin its
    random numbers anew in a search that goes on, and try again what was tried.

    Args:
        study: Optuna's; nobody else asks it.
        plan: of the search.
    """

    def __init__(self, study: "optuna.Study", plan: Plan) -> None:
        self.study, self.plan = study, plan
        self._left = [t for t in study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]

    def batch(self) -> "list[optuna.Trial]":
        """Give those that are to be launched together, with values for all that is searched.

        Batches are cut by number: one that was cut short is filled up as it would have been.
        """
        batch: list[optuna.Trial] = []
        while (trial := self._take_up(batch) or self._new(batch)) is not None:
            for dimension in self.plan.space.dimensions:
                dimension.suggest(trial)
            batch.append(trial)
        return batch

    def _fits(self, number: int, batch: "Sequence[optuna.Trial]") -> bool:
        size = self.plan.settings.n_jobs
        return not batch or number // size == batch[0].number // size

    def _take_up(self, batch: "Sequence[optuna.Trial]") -> "optuna.Trial | None":
        from optuna.trial import Trial

        if not self._left or not self._fits(self._left[0].number, batch):
            return None
        left = self._left.pop(0)
        self.study.sampler = self._sampler(left.number)
        return Trial(self.study, left._trial_id)

    def _new(self, batch: "Sequence[optuna.Trial]") -> "optuna.Trial | None":
        trials = self.study.get_trials(deepcopy=False)
        begun = [trial for trial in trials if trial.state.name != "WAITING"]
        number = len(begun)
        if self._left or number >= self.plan.n_trials or not self._fits(number, batch):
            return None
        self.study.sampler = self._sampler(number)
        if self.plan.settings.sampler == "grid" and number == len(trials):
            self._enqueue_next(begun)
        return self.study.ask()

    def _enqueue_next(self, trials: "Sequence[FrozenTrial]") -> None:
        """Let the next trial take the first values of the grid that were not tried."""
        dimensions = self.plan.space.dimensions
        tried = {tuple(trial.params.get(d.key) for d in dimensions) for trial in trials}
        grid = product(*(d.values or () for d in dimensions))
        if values := next((values for values in grid if values not in tried), None):
            keys = (dimension.key for dimension in dimensions)
            self.study.enqueue_trial(dict(zip(keys, values, strict=True)))

    def _sampler(self, number: int) -> "BaseSampler":
        from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler

        seed = int(np.random.SeedSequence([self.plan.settings.seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an argument may be called experimental
            if self.plan.settings.sampler == "tpe":
                # Of trials that are still running it expects no good: a batch is spread out.
                return TPESampler(seed=seed, constant_liar=True)
            if self.plan.settings.sampler == "cmaes":
                return CmaEsSampler(seed=seed, warn_independent_sampling=False)
        return RandomSampler(seed=seed)
