"""The summary that `rnnlab-train` prints at the end."""

import math
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
            f"sample more       {_command('rnnlab-sample')} {quote(f'run={run.path}')}",
            f"open TensorBoard  {_command('tensorboard')} --logdir {quote(run.config.output_dir)}",
            "",
        ]
    )


def _text(run: Run, name: str) -> list[str]:
    """Read a text file of the run; return the error's message if it can't be read."""
    try:
        return [read_text(run.file(name), largest=LARGEST_TABLE).strip()]
    except ConfigError as error:
        return [str(error)]


def _command(name: str) -> str:
    """Return a command as it can be typed: its name, or its path if it is not in PATH."""
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) or not beside.exists():
        return name
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
