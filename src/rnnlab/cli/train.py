"""`rnnlab-train`: run an experiment, or go on with one."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.cli.exits import command, status_of
from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.rank import is_helper

if TYPE_CHECKING:
    from rnnlab.run import Run


def main() -> None:
    """Compose the config from the command line, and train."""
    command("rnnlab-train", _resume if any(w.startswith("resume=") for w in sys.argv) else _main)


def _resume() -> None:
    """Go on with a run: its directory has the config, so that Hydra has nothing to compose."""
    directories = [word for word in sys.argv[1:] if word.startswith("resume=")]
    words = [word for word in sys.argv[1:] if not word.startswith("resume=")]
    if len(directories) > 1:
        raise ConfigError(f"resume takes one run, got {' '.join(directories)}")
    wrong = [word for word in words if "=" not in word or word.startswith("-")]
    if wrong:
        raise ConfigError(f"{wrong[0]!r} doesn't go with resume: it takes KEY=VALUE alone")

    from rnnlab.run import Run

    run = Run.load(directories[0].partition("=")[2], "resume")

    from rnnlab.training import is_finished, resume  # loads torch, which a mistake needn't wait for

    before = is_finished(run) and run.card["ended"]
    _tell(lambda: resume(run, words))
    if before and run.card["ended"] == before and not is_helper():
        print(
            "it had finished before: a larger budget, such as trainer.max_steps, lets it go on",
            file=sys.stderr,
        )


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
    problems: list[tuple[str, Exception]] = []

    @hydra.main(**options)
    def run(cfg: DictConfig) -> None:
        nonlocal composed
        composed = True
        chosen = HydraConfig.get()
        name = ""
        if chosen.mode == RunMode.MULTIRUN:
            name = f"run {chosen.job.num + 1}: {' '.join(chosen.overrides.task)}"
            if not is_helper():
                print(f"\n{name}", file=sys.stderr)
        try:
            _train(with_choices(cfg, chosen.runtime.choices))
        except (ConfigError, Diverged, RunLost) as error:
            # Hydra would add a line of its own; and the next run of a grid may do better.
            problems.append((f"{name}: {error}" if name else str(error), error))

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
    if problems:
        worst = max((error for _, error in problems), key=status_of)
        raise type(worst)("\n".join(text for text, _ in problems))


def _train(cfg: DictConfig) -> None:
    from rnnlab.training import train

    OmegaConf.resolve(cfg)
    _tell(lambda: train(cfg))


def _tell(make: Callable[[], "Run"]) -> None:
    """Train, and print what came of it; the last line is the directory."""
    from rnnlab.report import report

    run = make()
    if not is_helper():
        print(report(run))
        print(run.path, flush=True)
