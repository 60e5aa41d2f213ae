"""One job after another, in this process. Light to import."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class BasicLauncher(Launcher):
    """As Hydra's own, which composes each job anew; that takes a tenth of a second."""

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
        """Do the jobs, and give their directories."""
        from rnnlab.sweep.orders import orders_of

        loader = self.context.config_loader
        orders = orders_of(loader, self.config, job_overrides, initial_job_idx)
        for order, dry_run in orders:
            order.here(dry_run=dry_run)
        return [
            JobReturn(_return_value=str(order.job.path), status=JobStatus.COMPLETED)
            for order, _ in orders
        ]


@dataclass
class Settings:
    """What `hydra/launcher=basic` takes: nothing."""

    _target_: str = "hydra_plugins.rnnlab_basic.launcher.BasicLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="basic", node=Settings, provider="rnnlab")
