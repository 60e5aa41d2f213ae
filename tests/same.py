"""Whether two runs left the same, bit for bit."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from rnnlab.files import checkpoint
from rnnlab.runs.run import Run

VARYING = ("time/", "_hparams_/session_start_info")
"""Tags of what clocks and names have in it: only its steps are compared."""


def assert_same(one: Run, other: Run) -> None:
    """All that two runs leave is the same, but what clocks and names have in it."""
    assert differing(one, other) == []


def differing(one: Run, other: Run) -> list[str]:
    """Name what two runs left that isn't the same."""
    return [
        *differences(files(one.path), files(other.path)),
        *differences(curves(one.path), curves(other.path), "curve of "),
        *(
            path
            for name in ("last.ckpt", "best.ckpt")
            for path in differences(saved(one.path, name), saved(other.path, name), name)
        ),
    ]


def files(run: Path) -> dict[str, bytes | None]:
    """Read what a run wrote for people, and what other programs read."""
    paths = [run / name for name in ("metrics.csv", "results.json", "samples.md")]
    return {
        str(path.relative_to(run)): path.read_bytes() if path.is_file() else None
        for path in [*paths, *sorted(run.glob("figures/*"))]
    }


def curves(run: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Give what each tag has at each step, straight from the files that TensorBoard would take."""
    found = defaultdict(list)
    for path in run.glob("*tfevents*"):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            for value in event.summary.value:
                content = b"" if value.tag.startswith(VARYING) else value.SerializeToString()
                found[value.tag].append((event.step, content))
    return {tag: sorted(found[tag]) for tag in sorted(found)}


def saved(run: Path, name: str) -> dict[str, Any]:
    """Read a checkpoint, without what it has of clocks and of places."""
    content = checkpoint.read(run / "checkpoints" / name)
    return {key: value for key, value in content.items() if key not in ("costs", "config")}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Compare trees of containers and tensors bit for bit; gives the paths to what differs."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = (one.dtype, one.shape) == (other.dtype, other.shape)
        return [] if same and torch.equal(_bits(one), _bits(other)) else [path]
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return [d for key in one for d in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            return [f"{path}: {len(one)} and {len(other)}"]
        pairs = enumerate(zip(one, other, strict=True))
        return [d for place, pair in pairs for d in differences(*pair, f"{path}/{place}")]
    return [] if repr(one) == repr(other) else [path]  # equal, and so for NaN and -0.0


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
