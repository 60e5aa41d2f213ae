"""The grid sweeper: every combination of the given values. Imports no heavy package."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class GridSweeper(BasicSweeper):
    """Hydra's basic sweeper without its validation, which composes every job.

    rnnlab's launchers compose all jobs before the first one starts, which validates them too.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Do nothing: the launcher validates."""
