"""The basic launcher: one job after another, in this process. Imports no heavy package."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from rnnlab.sweeps.workers import WorkItem


class BasicLauncher(Launcher):
    """Runs one job after another; base class of rnnlab's launchers.

    Hydra's own basic launcher composes each job anew, which takes a tenth of a second.

    Attributes:
        absolute: whether run directories are absolute, for workers in another working directory.
    """

    absolute: ClassVar[bool] = False

    def setup(
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,  # noqa: ARG002
        config: DictConfig,
    ) -> None:
        """Store what Hydra gives, and check the launcher's settings.

        Raises:
            ConfigError: a setting is invalid; nothing was written yet.
        """
        self.context, self.config = hydra_context, config
        self.check()

    def check(self) -> None:
        """Refuse invalid settings of the launcher."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs, and return their run directories.

        Failures that an earlier command recorded are removed once all jobs are composed.
        """
        from rnnlab.sweeps.jobs import remove_failures
        from rnnlab.sweeps.workers import make_items

        items, dry_run = make_items(
            self.context.config_loader,
            self.config,
            job_overrides,
            initial_job_idx,
            absolute=self.absolute,
        )
        self.check_items(items)
        if initial_job_idx == 0 and items and not dry_run:
            remove_failures(items[0].job.sweep)
        self.run_items(items, dry_run=dry_run)
        return [
            JobReturn(_return_value=str(item.job.path), status=JobStatus.COMPLETED)
            for item in items
        ]

    def check_items(self, items: "Sequence[WorkItem]") -> None:
        """Refuse jobs that this launcher can't run, before any starts."""

    def run_items(self, items: "Sequence[WorkItem]", *, dry_run: bool) -> None:
        """Run the jobs, or in a dry run print what would be done.

        Raises:
            Interrupted: a signal was received; all worker processes have ended.
        """
        for item in items:
            item.run_here(dry_run=dry_run)
