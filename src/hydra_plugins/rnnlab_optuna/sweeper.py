"""The sweeper: all it does is in `rnnlab.sweep.search.study`. Light to import."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Searches the settings whose words name several values; what it takes is said below."""

    def __init__(
        self,
        *,
        sampler: Any,
        pruner: Any,
        n_trials: Any,
        n_jobs: Any,
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
            "seed": seed,
            "objective": objective,
            "storage": storage,
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher, and keep what Hydra gives."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search.

        Raises:
            ConfigError: the settings can't be; nothing was written.
        """
        from rnnlab.sweep.compose_jobs import Composer
        from rnnlab.sweep.search.plan import Settings
        from rnnlab.sweep.search.study import search

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        compose = Composer(self.hydra_context.config_loader, self.config)
        search(Settings.checked(self.settings), words, self.config, compose, self.launcher.launch)
