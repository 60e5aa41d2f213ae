"""The `CheckpointIO` plugin that makes Lightning use `rnnlab.files.checkpoint`."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from rnnlab.errors import ConfigError
from rnnlab.files import checkpoint as files

_TENSORS = ("state_dict", "optimizer_states", "best")  # large, and never of a callback


class CheckedIO(CheckpointIO):
    """Writes and reads checkpoints with a checksum."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,  # noqa: ARG002
    ) -> None:
        """Write a checkpoint, and keep the one before as `previous.ckpt`.

        Raises:
            ConfigError: a callback added what no reader would accept; nothing is written.
        """
        added = {key: value for key, value in checkpoint.items() if key not in _TENSORS}
        if not files.can_hold(added):
            parts = {**added, **{f"callbacks.{key}": v for key, v in added["callbacks"].items()}}
            parts.pop("callbacks")
            names = [key for key, value in parts.items() if not files.can_hold(value)]
            raise ConfigError(f"{', '.join(names)} in a checkpoint must be {files.HOLDS}")
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
