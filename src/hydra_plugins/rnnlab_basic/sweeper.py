"""Every combination of the values given, as Hydra's basic sweeper has it. Light to import."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class GridSweeper(BasicSweeper):
    """Hydra's basic sweeper, which composes each job once before any begins to see that it can be.

    Our launchers compose all before any begins in any case.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher."""
