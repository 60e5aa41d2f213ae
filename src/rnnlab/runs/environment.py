"""Versions, machine and git state, as recorded in `run.json`."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnnlab import __version__

_PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "numpy", "tensorboard")


def environment() -> dict[str, Any]:
    """Return the versions, the machine and the git state."""
    return {
        "python": platform.python_version(),
        "versions": dict(_versions()),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "git": checkout(Path(__file__)),
    }


@cache
def _versions() -> dict[str, str]:
    return {"rnnlab": __version__, **{name: version(name) for name in _PACKAGES}}


@cache
def checkout(file: Path) -> dict[str, Any] | None:
    """Return commit and dirty flag of the git checkout that a file of ours belongs to.

    Dirty is what differs from the commit and can change a result: code, configs and scripts.
    `None` outside of a checkout, also for an installed copy that lies in somebody else's.
    """
    try:
        _git(file.parent, "ls-files", "--error-unmatch", file.name)
        root = Path(_git(file.parent, "rev-parse", "--show-toplevel"))
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "src", "configs", "scripts")
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def _git(directory: Path, *words: str) -> str:
    command = ["git", "-C", str(directory), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
