"""Base class of the launchers that use worker processes. Imports no heavy package."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.rnnlab_basic.launcher import BasicLauncher

if TYPE_CHECKING:
    from rnnlab.sweeps.workers import WorkItem


class ParallelLauncher(BasicLauncher):
    """Runs jobs in worker processes.

    Attributes:
        package: the package that it needs; the extra of rnnlab has the same name.
        other_packages: further packages of that extra that it needs.
    """

    package: ClassVar[str]
    other_packages: ClassVar[tuple[str, ...]] = ()
    absolute = True

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Store what Hydra gives, and check packages and settings.

        Raises:
            ConfigError: a package is missing or a setting invalid; nothing was written yet.
        """
        from rnnlab.errors import ConfigError

        if any(find_spec(name) is None for name in (self.package, *self.other_packages)):
            raise ConfigError(
                f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']} needs a package "
                f"that is not installed: pip install 'rnnlab[{self.package}]'"
            )
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def check_items(self, items: "Sequence[WorkItem]") -> None:
        """Refuse jobs on several devices."""
        for item in items:
            _check_devices(item.job.cfg.trainer.devices)

    def run_items(self, items: "Sequence[WorkItem]", *, dry_run: bool) -> None:
        """Run each open job once in a worker; finished ones are reported from this process."""
        from rnnlab.process.output import note

        submitted: dict[str, WorkItem] = {}
        for item in items:
            if dry_run or not item.job.is_open:
                item.run_here(dry_run=dry_run)
            elif item.job.name in submitted:
                first = submitted[item.job.name].label
                note(f"\n{item.label}  {item.varied}: the same job as {first}")
            else:
                submitted[item.job.name] = item
        if submitted:
            self.run_in_workers(list(submitted.values()))

    @abstractmethod
    def run_in_workers(self, items: "list[WorkItem]") -> None:
        """Run the jobs in worker processes, and wait for them.

        Raises:
            Interrupted: a signal was received; all worker processes have ended.
        """


def _check_devices(devices: Any) -> None:
    from rnnlab.errors import ConfigError

    if isinstance(devices, int) and devices > 1:
        raise ConfigError(
            f"trainer.devices must be 1 where jobs train side by side, got {devices}: "
            "take hydra/launcher=basic"
        )


def num_processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
