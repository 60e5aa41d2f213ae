"""Checkpoint files: tensors and plain containers, with a checksum.

The file is the zip archive of `torch.save` with a comment that holds the SHA-256 of the rest. So
one rename replaces content and checksum together, and other tools can open it.
"""

import hashlib
import io
import os
import struct
from pathlib import Path
from typing import Any

import torch

from rnnlab.errors import ConfigError, Damaged, Missing
from rnnlab.files.atomic import write_atomically
from rnnlab.files.untrusted import open_regular_file
from rnnlab.spelling import first_line

LAST, BEST, PREVIOUS = "last.ckpt", "best.ckpt", "previous.ckpt"
_MARK = b"sha256:"
_LARGEST = 2**36  # bytes
HOLDS = "tensors, numbers, texts, lists and dictionaries, as no checkpoint holds what runs code"
"""What `write` takes, for errors."""
_COMMENT = len(_MARK) + hashlib.sha256().digest_size * 2


def write(path: Path, content: dict[str, Any], *, keep: Path | None = None) -> None:
    """Write a checkpoint atomically; an existing file is moved to `keep`."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()[:-2]  # a zip ends with the length of its comment, and the comment
    comment = _MARK + hashlib.sha256(body).hexdigest().encode()
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, body + struct.pack("<H", len(comment)) + comment, keep=keep)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, with `weights_only=True`: no code in it is run.

    Raises:
        Damaged: it is not what `write` writes.
        ConfigError: it is missing.
    """
    try:
        with open_regular_file(path, largest=_LARGEST) as file:
            file.seek(-min(_COMMENT, os.fstat(file.fileno()).st_size), os.SEEK_END)
            marked = file.read().startswith(_MARK)  # else it is not read into memory
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
        # torch's unpickler raises errors of many types; each means that this is no checkpoint.
        raise Damaged(f"{path} can't be read as a checkpoint: {first_line(error)}") from error
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
    """Read a model's `state_dict`, converted to float32 from the precision of training.

    Raises:
        ConfigError: as for `read`.
    """
    state = read(path)["state_dict"]
    return {name.removeprefix("model."): tensor.float() for name, tensor in state.items()}


def _is_checkpoint(content: Any, size: int) -> bool:
    """Whether it holds a step and weights, none of them larger than the file."""
    if not isinstance(content, dict) or not isinstance(content.get("global_step"), int):
        return False
    weights = content.get("state_dict")
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) and value.nbytes <= size
        for name, value in weights.items()
    )
