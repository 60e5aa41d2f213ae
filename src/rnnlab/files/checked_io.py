"""Checkpoint files of ours for Lightning."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from rnnlab.files import checkpoint as files


class CheckedIO(CheckpointIO):
    """Makes Lightning write and read checkpoints so."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,  # noqa: ARG002
    ) -> None:
        """Write, keeping the one before."""
        files.write(Path(path), checkpoint, keep=Path(path).with_name(files.PREVIOUS))

    def load_checkpoint(
        self,
        path: Any,
        map_location: Any = None,  # noqa: ARG002
        weights_only: bool | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Read."""
        return files.read(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Do nothing: old ones are replaced."""
