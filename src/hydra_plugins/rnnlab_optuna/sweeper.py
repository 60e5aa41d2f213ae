"""The Optuna sweeper, a thin layer over `rnnlab.sweeps.search`. Imports no heavy package."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Searches the settings whose overrides give several values.

    The arguments are checked when the search starts, as `SearchSettings`.

    Args:
        sampler: tpe | random | cmaes | grid.
        pruner: none | median | asha.
        n_trials: number of trials in all, those of earlier commands too.
        n_jobs: number of trials that are launched as one batch.
        trials_per_shape: number of trials in a row, in a batch, that differ only in settings in
            which the members of a group may differ.
        seed: seed of the sampler.
        objective: a metric or a list of metrics; null for the config's `monitor`.
        storage: URL of a database; null for a journal file in the sweep's directory.
        params: more overrides, key -> value; those of the command line come after them.
    """

    def __init__(
        self,
        *,
        sampler: Any,
        pruner: Any,
        n_trials: Any,
        n_jobs: Any,
        trials_per_shape: Any,
        seed: Any,
        objective: Any,
        storage: Any,
        params: Any,
    ) -> None:
        self.params = params or {}
        self.settings = {
            "sampler": sampler,
            "pruner": pruner,
            "n_trials": n_trials,
            "n_jobs": n_jobs,
            "trials_per_shape": trials_per_shape,
            "seed": seed,
            "objective": objective,
            "storage": storage,
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher, and store what Hydra gives."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the search.

        Raises:
            ConfigError: a setting is invalid; nothing was written.
        """
        from rnnlab.sweeps.compose_jobs import Composer
        from rnnlab.sweeps.search.plan import SearchSettings
        from rnnlab.sweeps.search.study import search

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        overrides = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        compose = Composer(self.hydra_context.config_loader, self.config)
        settings = SearchSettings.checked(self.settings)
        search(settings, overrides, self.config, compose, self.launcher.launch)
