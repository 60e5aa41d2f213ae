"""The launcher: joins what fits, and does the rest one after another. Light to import."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_plugins.rnnlab_basic.launcher import BasicLauncher

if TYPE_CHECKING:
    from rnnlab.sweep.workers import Order


class VectorizedLauncher(BasicLauncher):
    """Trains jobs that differ only in seeds, rates and the like as one batched model.

    Args:
        members: how many at once; `auto` for as many as memory holds.
    """

    def __init__(self, members: str | int) -> None:
        self.members = members

    def check(self) -> None:
        """Refuse another number of members than can be."""
        from rnnlab.errors import ConfigError

        if self.members != "auto" and not (type(self.members) is int and self.members > 0):
            raise ConfigError(
                f"hydra.launcher.members must be auto or 1 or more, got {self.members!r}"
            )

    def perform(self, orders: "Sequence[Order]", *, dry_run: bool) -> None:
        """Do the jobs, groups first."""
        from rnnlab.process.loading import loading

        with loading():
            from rnnlab.sweep.vectorized import do_groups

        jobs = {place: order.job for place, order in enumerate(orders)}
        done = set() if dry_run else set(do_groups(jobs, self.members))
        super().perform(
            [order for place, order in enumerate(orders) if place not in done], dry_run=dry_run
        )
