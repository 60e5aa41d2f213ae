"""A checkpoint file: tensors and plain containers, with a checksum of its own, kept two deep.

The file is torch's zip archive with a comment that holds the SHA-256 of all before it. So one
rename puts content and checksum in place together, and other tools still open it.
"""

import hashlib
import io
import os
import struct
from pathlib import Path
from typing import Any

import torch

from rnnlab.errors import ConfigError, Damaged, Missing
from rnnlab.files.foreign import opened
from rnnlab.files.whole import write_whole

LAST, BEST, PREVIOUS = "last.ckpt", "best.ckpt", "previous.ckpt"
_MARK = b"sha256:"
_LARGEST = 2**36  # bytes
_COMMENT = len(_MARK) + hashlib.sha256().digest_size * 2


def write(path: Path, content: dict[str, Any], *, keep: Path | None = None) -> None:
    """Write a checkpoint whole or not at all; the file that was there goes to `keep`."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()[:-2]  # a zip ends with the length of its comment, and the comment
    comment = _MARK + hashlib.sha256(body).hexdigest().encode()
    path.parent.mkdir(exist_ok=True)
    write_whole(path, body + struct.pack("<H", len(comment)) + comment, keep=keep)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint, on the CPU; nothing in it is ever run.

    Raises:
        Damaged: it isn't what `write` wrote.
        ConfigError: it isn't there.
    """
    try:
        with opened(path, largest=_LARGEST) as file:
            file.seek(-min(_COMMENT, os.fstat(file.fileno()).st_size), os.SEEK_END)
            marked = file.read().startswith(_MARK)  # or it is not worth its memory
            file.seek(0)
            content = file.read() if marked else b""
    except Missing as error:
        raise ConfigError(f"{error}: the run has no such checkpoint") from error
    except Damaged as error:
        raise Damaged(f"{path} can't be read as a checkpoint: {error}") from error
    body, comment = content[: -_COMMENT - 2], content[-_COMMENT:]
    if comment != _MARK + hashlib.sha256(body).hexdigest().encode():
        raise Damaged(f"{path} can't be read as a checkpoint: its checksum is wrong or missing")
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises whatever its unpickler met; each means that the file is no checkpoint.
        raise Damaged(f"{path} can't be read as a checkpoint: {_first_line(error)}") from error
    if not _is_checkpoint(loaded, len(content)):
        raise Damaged(f"{path} can't be read as a checkpoint: it holds something else")
    return loaded


def can_hold(content: Any) -> bool:
    """Return whether `read` gives back what `write` writes: plain containers and tensors."""
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception:  # whatever pickling, or unpickling safely, raises
        return False
    return True


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a model's weights, by the model's own names, in float32 whatever they were trained in.

    Raises:
        ConfigError: as for `read`.
    """
    state = read(path)["state_dict"]
    return {name.removeprefix("model."): tensor.float() for name, tensor in state.items()}


def _is_checkpoint(content: Any, size: int) -> bool:
    """Tell whether there are weights in it, of so many updates, and none larger than the file."""
    if not isinstance(content, dict) or not isinstance(content.get("global_step"), int):
        return False
    weights = content.get("state_dict")
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) and value.nbytes <= size
        for name, value in weights.items()
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
