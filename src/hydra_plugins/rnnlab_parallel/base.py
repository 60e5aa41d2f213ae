"""What launchers of processes have in common. Light to import, as all plugins of Hydra's are."""

import os
import sys
from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from rnnlab.sweep.orders import Order


class ParallelLauncher(Launcher):
    """Gives the jobs that are to be done to other processes.

    Attributes:
        package: what must be installed, and the extra of that name.
    """

    package: ClassVar[str]

    def setup(
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,  # noqa: ARG002
        config: DictConfig,
    ) -> None:
        """Keep what Hydra gives.

        Raises:
            ConfigError: the settings can't be, or a package is missing; nothing was written yet.
        """
        from rnnlab.errors import ConfigError

        self.context, self.config = hydra_context, config
        if find_spec(self.package) is None:
            raise ConfigError(
                f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']} needs a package "
                f"that is not installed: pip install 'rnnlab[{self.package}]'"
            )
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Refuse settings that can't be."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do the jobs, and give their directories."""
        from rnnlab.sweep.orders import orders_of

        loader = self.context.config_loader
        orders = orders_of(loader, self.config, job_overrides, initial_job_idx, anywhere=True)
        given: dict[str, Order] = {}
        for order, dry_run in orders:
            _refuse_devices(order.job.cfg.trainer.devices)
            if dry_run or order.job.plan == "skip":
                order.here(dry_run=dry_run)
            elif order.job.name in given:
                one = given[order.job.name].number
                print(f"\n{order.number}  {order.words}: the same job as {one}", file=sys.stderr)
            else:
                given[order.job.name] = order
        if given:
            self.perform(list(given.values()))
        return [
            JobReturn(_return_value=str(order.job.path), status=JobStatus.COMPLETED)
            for order, _ in orders
        ]

    @abstractmethod
    def perform(self, orders: "list[Order]") -> None:
        """Have the jobs done.

        Raises:
            Interrupted: it was told to stop; no process is left that does a job.
        """


def _refuse_devices(devices: Any) -> None:
    from rnnlab.errors import ConfigError

    if isinstance(devices, int) and devices > 1:
        raise ConfigError(
            f"trainer.devices must be 1 where jobs train side by side, got {devices}: "
            "take hydra/launcher=basic"
        )


def processors() -> int:
    """Count those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
