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

    from rnnlab.compose import VERSION_BASE, config_directory, explain, with_choices

    options: dict[str, Any] = {"config_path": str(config_directory()), "config_name": "train"}
    if VERSION_BASE is not None:
        options["version_base"] = VERSION_BASE

    composed = False
    refused: list[ConfigError] = []

    @hydra.main(**options)
    def run(cfg: DictConfig) -> None:
        nonlocal composed
        composed = True
        try:
            _train(with_choices(cfg, HydraConfig.get().runtime.choices))
        except ConfigError as error:  # Hydra would add a line of its own
            refused.append(error)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # gives us its errors, for one clear line and status 2
    try:
        run()
    except Exception as error:
        # Hydra lets some mistakes through as bare ValueErrors; before our part none is a bug here.
        if composed and not isinstance(error, (HydraException, OmegaConfBaseException)):
            raise
        overrides = [word for word in sys.argv[1:] if not word.startswith("-")]
        raise ConfigError(explain(error, overrides)) from error
    if refused:
        raise refused[0]


def _train(cfg: DictConfig) -> None:
    from rnnlab.experiment import train
    from rnnlab.report import report

    OmegaConf.resolve(cfg)
    run = train(cfg)
    print(report(run))
    print(run.path)
