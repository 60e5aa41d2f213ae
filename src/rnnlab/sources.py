"""Where configs are found, and Hydra begun to read them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra

from rnnlab.hydra_options import offered

_HYDRA = threading.RLock()


def version_words(version: str) -> dict[str, str]:
    """Give what Hydra of a version must be told as a keyword: whose behaviour is expected.

    From 1.4 on there is one behaviour only, and Hydra warns where one is asked for.
    """
    return {"version_base": "1.3"} if version.split(".")[:2] == ["1", "3"] else {}


VERSION = version_words(hydra.__version__)
"""What this Hydra must be told when it is begun."""


def config_directory() -> Path:
    """Find the yaml files: inside an installed package, else beside `src` in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "configs"


@contextmanager
def own_hydra() -> Iterator[None]:
    """Let Hydra be begun anew with our options, beside one that a caller has begun.

    One thread at a time.
    """
    with _HYDRA:
        instance = GlobalHydra.instance()
        callers, instance.hydra = instance.hydra, None
        try:
            with offered():
                yield
        finally:
            GlobalHydra.instance().hydra = callers


@contextmanager
def begun() -> Iterator[ConfigLoader]:
    """Begin Hydra with our configs, beside one that a caller has begun; gives what reads them."""
    with own_hydra(), initialize_config_dir(str(config_directory()), **VERSION):
        yield GlobalHydra.instance().config_loader()
