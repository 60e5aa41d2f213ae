"""One job after another, in this process. Light to import."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from rnnlab.sweep.orders import Order


class BasicLauncher(Launcher):
    """Does one job after another.

    Hydra's own composes each anew, which takes a tenth of a second. The other launchers of rnnlab
    are made from this one.

    Attributes:
        elsewhere: whether jobs may be done in another working directory.
    """

    elsewhere: ClassVar[bool] = False

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

        orders = orders_of(
            self.context.config_loader,
            self.config,
            job_overrides,
            initial_job_idx,
            elsewhere=self.elsewhere,
        )
        self.perform([order for order, _ in orders], dry_run=any(dry for _, dry in orders))
        return [
            JobReturn(_return_value=str(order.job.path), status=JobStatus.COMPLETED)
            for order, _ in orders
        ]

    def perform(self, orders: "Sequence[Order]", *, dry_run: bool) -> None:
        """Do the jobs, or in a dry run say what would be done.

        Raises:
            Interrupted: it was told to stop; no process is left that does a job.
        """
        for order in orders:
            order.here(dry_run=dry_run)


@dataclass
class Settings:
    """What `hydra/launcher=basic` takes: nothing."""

    _target_: str = "hydra_plugins.rnnlab_basic.launcher.BasicLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="basic", node=Settings, provider="rnnlab")
