"""The `CheckpointIO` plugin that makes Lightning use `rnnlab.files.checkpoint`."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from rnnlab.files import checkpoint as files


class CheckedIO(CheckpointIO):
    """Writes and reads checkpoints with a checksum."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,  # noqa: ARG002
    ) -> None:
        """Write a checkpoint, and keep the one before as `previous.ckpt`."""
        files.write(Path(path), checkpoint, keep=Path(path).with_name(files.PREVIOUS))

    def load_checkpoint(
        self,
        path: Any,
        map_location: Any = None,  # noqa: ARG002
        weights_only: bool | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Read a checkpoint."""
        return files.read(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Do nothing, since writing replaces old checkpoints."""
