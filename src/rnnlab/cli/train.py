"""`rnnlab-train`: run an experiment."""

import os
import sys
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError


def main() -> None:
    """Compose the config from the command line, and train."""
    command("rnnlab-train", _main)


def _main() -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode

    from rnnlab.compose import VERSION_BASE, config_directory, explain, with_choices

    options: dict[str, Any] = {"config_path": str(config_directory()), "config_name": "train"}
    if VERSION_BASE is not None:
        options["version_base"] = VERSION_BASE

    composed = False
    refused: list[str] = []

    @hydra.main(**options)
    def run(cfg: DictConfig) -> None:
        nonlocal composed
        composed = True
        chosen = HydraConfig.get()
        name = ""
        if chosen.mode == RunMode.MULTIRUN:
            name = f"run {chosen.job.num + 1}: {' '.join(chosen.overrides.task)}"
            if _speaks():
                print(f"\n{name}", file=sys.stderr)
        try:
            _train(with_choices(cfg, chosen.runtime.choices))
        except ConfigError as error:  # Hydra would add a line of its own; the next run may be right
            refused.append(f"{name}: {error}" if name else str(error))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # gives us its errors, for one clear line and status 2
    try:
        run()
    except Exception as error:
        # Hydra lets some mistakes through as bare ValueErrors; before our part none is a bug here.
        if composed and not isinstance(error, (HydraException, OmegaConfBaseException)):
            raise
        words = sys.argv[1:]
        overrides = [
            word
            for before, word in zip(["", *words], words, strict=False)
            if not word.startswith("-") and before not in ("--cfg", "-c", "--package", "-p")
        ]
        grid = bool({"-m", "--multirun"} & set(words))
        raise ConfigError(explain(error, overrides, grid=grid)) from error
    if refused:
        raise ConfigError("\n".join(refused))


def _train(cfg: DictConfig) -> None:
    from rnnlab.report import report
    from rnnlab.training import train

    OmegaConf.resolve(cfg)
    run = train(cfg)
    if _speaks():
        print(report(run))
        print(run.path, flush=True)


def _speaks() -> bool:
    """Tell whether this is the first of the processes that train together."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
