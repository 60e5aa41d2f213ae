"""What a run stands on: versions, machine, code."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnnlab import __version__

_PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "numpy", "tensorboard")


def environment() -> dict[str, Any]:
    """Record what a run stands on."""
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
    """Give commit and dirty flag of the checkout that this code lies in, if it lies in one."""
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
