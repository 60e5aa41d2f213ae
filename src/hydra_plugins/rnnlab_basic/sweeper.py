"""Every combination of the values given, as Hydra's basic sweeper has it. Light to import."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore


class GridSweeper(BasicSweeper):
    """Hydra's basic sweeper, which composes each job once before any begins to see that it can be.

    Our launchers compose all before any begins in any case.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher."""


@dataclass
class Settings:
    """What Hydra's basic sweeper takes."""

    _target_: str = "hydra_plugins.rnnlab_basic.sweeper.GridSweeper"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = None


# In the place of Hydra's own: a choice in train.yaml would outdo that of a file in configs/sweep.
ConfigStore.instance().store(group="hydra/sweeper", name="basic", node=Settings, provider="rnnlab")
