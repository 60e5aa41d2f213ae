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
        "git": _git(),
    }


@cache
def _versions() -> dict[str, str]:
    return {"rnnlab": __version__, **{name: version(name) for name in _PACKAGES}}


@cache
def _git() -> dict[str, Any] | None:
    """Return commit and dirty flag of the git checkout of this code, or `None` outside of one."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(status.strip())}
