"""Asking Optuna for the next trials."""

import warnings
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnlab.sweeps.search.plan import Plan

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


class TrialSource:
    """Source of trials: first those that an earlier command left running, then new ones.

    Each trial has its own sampler, seeded by the trial's number. One sampler for all would restart
    its random numbers when a search is resumed, and propose the same values again.

    Args:
        study: Optuna's study, in which no other process creates trials meanwhile.
        plan: plan of the search.
    """

    def __init__(self, study: "optuna.Study", plan: Plan) -> None:
        self.study, self.plan = study, plan
        trials = study.get_trials(deepcopy=False)
        self._unfinished = [trial for trial in trials if trial.state.name == "RUNNING"]

    def next_batch(self) -> "list[optuna.Trial]":
        """Return the trials to launch together, with values suggested; empty at the end.

        A batch holds trials `k * n_jobs` to `(k + 1) * n_jobs - 1`, so that an interrupted search
        has the same batches as one that ran through.
        """
        batch: list[optuna.Trial] = []
        while (trial := self._next_unfinished(batch) or self._new_trial(batch)) is not None:
            for dimension in self.plan.space.dimensions:
                dimension.suggest(trial)
            batch.append(trial)
        return batch

    def _fits(self, number: int, batch: "Sequence[optuna.Trial]") -> bool:
        size = self.plan.settings.n_jobs
        return not batch or number // size == batch[0].number // size

    def _next_unfinished(self, batch: "Sequence[optuna.Trial]") -> "optuna.Trial | None":
        from optuna.trial import Trial

        if not self._unfinished or not self._fits(self._unfinished[0].number, batch):
            return None
        trials = self.study.get_trials(deepcopy=False)
        trial = self._unfinished.pop(0)
        self.study.sampler = self._sampler(trial.number, trials)
        return Trial(self.study, trial._trial_id)

    def _new_trial(self, batch: "Sequence[optuna.Trial]") -> "optuna.Trial | None":
        trials = self.study.get_trials(deepcopy=False)
        started = [trial for trial in trials if trial.state.name != "WAITING"]
        number = len(started)
        if self._unfinished or number >= self.plan.n_trials or not self._fits(number, batch):
            return None
        self.study.sampler = self._sampler(number, started)
        if self.plan.settings.sampler == "grid" and number == len(trials):
            self._enqueue_next(started)
        return self.study.ask()

    def _enqueue_next(self, trials: "Sequence[FrozenTrial]") -> None:
        """Enqueue a trial with the first values of the grid that none of the trials has."""
        dimensions = list(self.plan.space.dimensions)
        if self.plan.settings.trials_per_shape > 1:  # sizes change last
            dimensions.sort(key=lambda d: d.key not in self.plan.shaping)
        tried = {tuple(trial.params.get(d.key) for d in dimensions) for trial in trials}
        grid = product(*(d.values or () for d in dimensions))
        if values := next((values for values in grid if values not in tried), None):
            keys = (dimension.key for dimension in dimensions)
            self.study.enqueue_trial(dict(zip(keys, values, strict=True)))

    def _sampler(self, number: int, trials: "Sequence[FrozenTrial]") -> "BaseSampler":
        """Return the sampler of a trial, which may have to share a size with one before it."""
        from optuna.samplers import PartialFixedSampler

        sampler = self._own_sampler(number)
        shared = self._shared(number, trials)
        if not shared or self.plan.settings.sampler == "grid":
            return sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is experimental
            return PartialFixedSampler(shared, sampler)

    def _shared(self, number: int, trials: "Sequence[FrozenTrial]") -> dict[str, Any]:
        """Return the values that a trial must share with the first of those that it trains with."""
        settings = self.plan.settings
        first = number - number % settings.n_jobs % settings.trials_per_shape
        if first == number:
            return {}
        leader = next(trial for trial in trials if trial.number == first)
        return {key: leader.params[key] for key in self.plan.shaping if key in leader.params}

    def _own_sampler(self, number: int) -> "BaseSampler":
        from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler

        seed = int(np.random.SeedSequence([self.plan.settings.seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some arguments are experimental
            if self.plan.settings.sampler == "tpe":
                # constant_liar gives running trials a bad score, which spreads out a batch.
                return TPESampler(seed=seed, constant_liar=True)
            if self.plan.settings.sampler == "cmaes":
                return CmaEsSampler(seed=seed, warn_independent_sampling=False)
        return RandomSampler(seed=seed)
