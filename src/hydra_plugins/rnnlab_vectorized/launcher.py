"""The launcher: joins what fits, and does the rest one after another. Light to import."""

from collections.abc import Sequence
from dataclasses import dataclass
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
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,  # noqa: ARG002
        config: DictConfig,
    ) -> None:
        """Keep what Hydra gives."""
        self.context, self.config = hydra_context, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do the jobs, groups first, and give their directories."""
        from rnnlab.sweep.grouped import do_groups
        from rnnlab.sweep.orders import orders_of

        loader = self.context.config_loader
        orders = orders_of(loader, self.config, job_overrides, initial_job_idx)
        done = []
        if not any(dry_run for _, dry_run in orders):
            jobs = {place: order.job for place, (order, _) in enumerate(orders)}
            done = do_groups(jobs, self.members)
        for place, (order, dry_run) in enumerate(orders):
            if place not in done:
                order.here(dry_run=dry_run)
        return [
            JobReturn(_return_value=str(order.job.path), status=JobStatus.COMPLETED)
            for order, _ in orders
        ]


@dataclass
class Settings:
    """What `hydra/launcher=vectorized` takes."""

    _target_: str = "hydra_plugins.rnnlab_vectorized.launcher.VectorizedLauncher"
    members: Any = "auto"


ConfigStore.instance().store(
    group="hydra/launcher", name="vectorized", node=Settings, provider="rnnlab"
)
