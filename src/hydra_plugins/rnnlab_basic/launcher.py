"""One job after another, in this process. Light to import."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from rnnlab.sweep.workers import Order


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
        """Keep what Hydra gives.

        Raises:
            ConfigError: the settings can't be; nothing was written yet.
        """
        self.context, self.config = hydra_context, config
        self.check()

    def check(self) -> None:
        """Refuse settings that can't be."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do the jobs, and give their directories.

        That jobs failed in an earlier start is forgotten when all are known to be in order.
        """
        from rnnlab.sweep.jobs import forget_failures
        from rnnlab.sweep.workers import orders_of

        orders = orders_of(
            self.context.config_loader,
            self.config,
            job_overrides,
            initial_job_idx,
            elsewhere=self.elsewhere,
        )
        self.refuse([order for order, _ in orders])
        dry_run = any(dry for _, dry in orders)
        if initial_job_idx == 0 and orders and not dry_run:
            forget_failures(orders[0][0].job.sweep)
        self.perform([order for order, _ in orders], dry_run=dry_run)
        return [
            JobReturn(_return_value=str(order.job.path), status=JobStatus.COMPLETED)
            for order, _ in orders
        ]

    def refuse(self, orders: "Sequence[Order]") -> None:
        """Refuse jobs that can't be done so, before any begins."""

    def perform(self, orders: "Sequence[Order]", *, dry_run: bool) -> None:
        """Do the jobs, or in a dry run say what would be done.

        Raises:
            Interrupted: it was told to stop; no process is left that does a job.
        """
        for order in orders:
            order.here(dry_run=dry_run)
