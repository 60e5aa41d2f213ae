"""The launcher: joins what fits, and gives the rest to Hydra's basic one. Light to import."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class VectorizedLauncher(Launcher):
    """Trains jobs that differ only in seeds, rates and the like as one batched model.

    Args:
        members: how many at once; `auto` for as many as memory holds.
    """

    def __init__(self, members: str | int) -> None:
        self.members = members

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives, and make a basic launcher of it too."""
        from hydra._internal.core_plugins.basic_launcher import BasicLauncher

        self.context, self.config = hydra_context, config
        self.basic = BasicLauncher()
        self.basic.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do the jobs, groups first."""
        from rnnlab.sweep.composing import Composer
        from rnnlab.sweep.grouped import do_groups
        from rnnlab.sweep.jobs import job_of

        returns: list[Any] = [None] * len(job_overrides)
        compose = Composer(self.context.config_loader, self.config)
        sweep = Path(self.config.hydra.sweep.dir)
        jobs = [
            (place, *job_of(*compose(words), sweep)) for place, words in enumerate(job_overrides)
        ]
        if not any(own["dry_run"] for _, _, own in jobs):
            for place in do_groups({place: job for place, job, _ in jobs}, self.members):
                path = str(jobs[place][1].path)
                returns[place] = JobReturn(_return_value=path, status=JobStatus.COMPLETED)
        for place, overrides in enumerate(job_overrides):
            if returns[place] is None:
                (returns[place],) = self.basic.launch([overrides], initial_job_idx + place)
        sys.stdout.flush()
        return returns


@dataclass
class Settings:
    """What `hydra/launcher=vectorized` takes."""

    _target_: str = "hydra_plugins.rnnlab_vectorized.launcher.VectorizedLauncher"
    members: Any = "auto"


ConfigStore.instance().store(
    group="hydra/launcher", name="vectorized", node=Settings, provider="rnnlab"
)
