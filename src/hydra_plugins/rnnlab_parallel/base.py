"""What launchers of processes have in common. Light to import, as all plugins of Hydra's are."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.rnnlab_basic.launcher import BasicLauncher

if TYPE_CHECKING:
    from rnnlab.sweep.workers import Order


class ParallelLauncher(BasicLauncher):
    """Gives the jobs that are to be done to other processes.

    Attributes:
        package: what must be installed, and the extra of that name.
        beside: what that extra brings too, and a job may fail without.
    """

    package: ClassVar[str]
    beside: ClassVar[tuple[str, ...]] = ()
    elsewhere = True

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives.

        Raises:
            ConfigError: the settings can't be, or a package is missing; nothing was written yet.
        """
        from rnnlab.errors import ConfigError

        if any(find_spec(name) is None for name in (self.package, *self.beside)):
            raise ConfigError(
                f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']} needs a package "
                f"that is not installed: pip install 'rnnlab[{self.package}]'"
            )
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def refuse(self, orders: "Sequence[Order]") -> None:
        """Refuse jobs that would need the devices of several."""
        for order in orders:
            _refuse_devices(order.job.cfg.trainer.devices)

    def perform(self, orders: "Sequence[Order]", *, dry_run: bool) -> None:
        """Hand out each job once; those that are done are told of here."""
        from rnnlab.process.output import note

        given: dict[str, Order] = {}
        for order in orders:
            if dry_run or not order.job.is_open:
                order.here(dry_run=dry_run)
            elif order.job.name in given:
                one = given[order.job.name].number
                note(f"\n{order.number}  {order.words}: the same job as {one}")
            else:
                given[order.job.name] = order
        if given:
            self.hand_out(list(given.values()))

    @abstractmethod
    def hand_out(self, orders: "list[Order]") -> None:
        """Have the jobs done by other processes.

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
