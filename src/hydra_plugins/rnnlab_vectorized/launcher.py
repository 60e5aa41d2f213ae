"""The vectorized launcher: trains stackable jobs as groups. Imports no heavy package."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_plugins.rnnlab_basic.launcher import BasicLauncher

if TYPE_CHECKING:
    from rnnlab.sweeps.workers import WorkItem


class VectorizedLauncher(BasicLauncher):
    """Trains jobs that differ only in seeds, learning rates and the like as one batched model.

    The other jobs run one after another.

    Args:
        members: the most jobs in a group; `auto` for as many as memory holds.
    """

    def __init__(self, members: str | int) -> None:
        self.members = members

    def check(self) -> None:
        """Refuse an invalid `members`."""
        from rnnlab.errors import ConfigError

        if self.members != "auto" and not (type(self.members) is int and self.members > 0):
            raise ConfigError(
                f"hydra.launcher.members must be auto or 1 or more, got {self.members!r}"
            )

    def run_items(self, items: "Sequence[WorkItem]", *, dry_run: bool) -> None:
        """Run the jobs, groups first."""
        from rnnlab.process.garbage import gc_paused

        with gc_paused():
            from rnnlab.sweeps.vectorized import train_groups

        jobs = {position: item.job for position, item in enumerate(items)}
        done = set() if dry_run else set(train_groups(jobs, self.members))
        alone = [item for position, item in enumerate(items) if position not in done]
        super().run_items(alone, dry_run=dry_run)
