"""The summary that `rnnlab-train` prints at the end."""

import math
import os
import shutil
import sys
from pathlib import Path
from shlex import quote

from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import LARGEST_TABLE, read_text
from rnnlab.runs.run import Run
from rnnlab.runs.scores import score_lines


def summarize(run: Run) -> str:
    """Format final metrics beside their floors, samples, and commands to try next."""
    results = run.results
    table = score_lines({split: results[split] for split in ("train", "val", "test", "floor")})
    seconds = run.card.get("seconds", math.nan)
    return "\n".join(
        [
            "",
            f"{results['model']} on {results['task']}: {results['parameters']:,} parameters, "
            f"{results['steps']} updates in {seconds:.0f} s, "
            f"best at update {results['best_step']}",
            "",
            *table,
            "",
            *_text(run, "samples.md"),
            "",
            *(_text(run, "profile.txt") if run.file("profile.txt").exists() else []),
            "to sample more, and to see its curves:",
            f"{command('rnnlab-sample')} {quote(f'run={typed(run.path)}')}",
            f"{command('tensorboard')} --logdir {quote(typed(Path(run.config.output_dir)))}",
            "",
        ]
    )


def _text(run: Run, name: str) -> list[str]:
    """Read a text file of the run; return the error's message if it can't be read."""
    try:
        return [read_text(run.file(name), largest=LARGEST_TABLE).strip()]
    except ConfigError as error:
        return [str(error)]


def command(name: str) -> str:
    """Return a command as it can be typed in the shell that this process was started from.

    It is its name if that leads to this environment's; else the path of it, or in an environment
    where it isn't installed this Python and a launcher or module.
    """
    python = Path(sys.executable)
    beside, found = python.with_name(name), shutil.which(name)
    if beside.exists():
        here = found is not None and Path(found).absolute() == beside.absolute()
        return name if here else quote(typed(beside))
    launcher = Path(sys.argv[0]).with_name(f"{name.removeprefix('rnnlab-')}.py")
    if launcher.parent.name == "scripts" and launcher.is_file():
        return f"{quote(typed(python))} {quote(typed(launcher))}"
    if name == "tensorboard":
        return f"{quote(typed(python))} -m tensorboard.main"
    return name


def typed(path: Path) -> str:
    """Return a path as it can be typed in the shell, which may be in another directory."""
    here = Path.cwd()
    if Path(os.environ.get("PWD", here)).resolve() != here:
        return str(path.absolute())
    inside = path.is_absolute() and path.is_relative_to(here)
    return str(path.relative_to(here) if inside else path)
