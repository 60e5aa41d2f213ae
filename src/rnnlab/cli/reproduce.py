"""`rnnlab-reproduce`: published results, found again beside their controls."""

import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any, Literal

from rnnlab.cli.arguments import pop_config_directory
from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.commands.arguments import user_path
from rnnlab.config.build import check_values
from rnnlab.config.packages import allow_packages_of
from rnnlab.config.sources import ConfigSource, using_source
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.garbage import gc_paused
from rnnlab.process.output import say

if TYPE_CHECKING:
    from rnnlab.reproductions.jobs import Plan

_USAGE = """
rnnlab-reproduce: published results by one command, the paper's number beside ours.

usage: rnnlab-reproduce [NAME ... | all] [tier=quick] [seeds=fresh] [dry_run=true]
                        [output_dir=outputs] [packages=[PACKAGE,...]] [--config-dir DIR]

  NAME         an entry; without one all are listed, with their verdict in output_dir
  tier=quick   smoke: seconds, tries the machinery and learns nothing; quick: minutes; full: the
               paper's own size, where that can be
  seeds=fresh  fresh: from 100 on, which confirm; tuning: from 0 on, which thresholds are set on
  dry_run=true say what would be trained, and do nothing
  packages, --config-dir: entries of your own, in `reproduce` among your configs

Examples
  rnnlab-reproduce
  rnnlab-reproduce hinton_binary_adder
  rnnlab-reproduce all tier=smoke

Jobs train in groups; what is trained is not trained again, and what was interrupted goes on. Runs
and report are in output_dir/reproduce/NAME/TIER. Exit status: 0 reproduced, 1 not, 2 a mistake.
"""
_FIELDS: dict[str, Any] = {
    "tier": Literal["smoke", "quick", "full"],
    "seeds": Literal["fresh", "tuning"],
    "output_dir": str,
    "dry_run": bool,
}
_TRUTH = {"true": True, "false": False}
_DEFAULTS = {"tier": "quick", "seeds": "fresh", "output_dir": "outputs", "dry_run": False}


def main() -> None:
    """List the gallery, or reproduce what is named."""
    command("rnnlab-reproduce", _main, trains=True)


def _main() -> None:
    from rnnlab.config.catalogue import describe

    completions = Completions(_FIELDS, lambda: [*describe("reproduce"), "all"])
    arguments = command_arguments(_USAGE, completions)
    line = join(["rnnlab-reproduce", *arguments])
    directory = pop_config_directory(arguments)
    names, own = _parse(arguments)

    with gc_paused():
        from rnnlab.commands.reproduce import make_plans, reproduce
    if not names or own["dry_run"]:
        with using_source(ConfigSource(directory)):
            if not names:
                _list(user_path(own["output_dir"]))
                return
            for plan in make_plans(names, own["tier"], own["seeds"], own["output_dir"]):
                _say_what_is_left(plan)
        return
    del own["dry_run"]
    made = reproduce(*names, config_dir=directory, command=line, show=say, **own)
    if len(made.found) > 1:
        say()
    if len(made.found) > 1 or made.left_out:
        say(made)
    if "not reproduced" in made.verdicts.values():
        sys.exit(1)


def _parse(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Parse the arguments: names, and the values of the keys.

    Raises:
        ConfigError: a line for each problem.
    """
    own: dict[str, Any] = dict(_DEFAULTS)
    names, problems = [], []
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        key, equals, value = argument.partition("=")
        if argument.startswith("-"):
            raise ConfigError(explain_argument(argument, after, list(_FIELDS)))
        if not equals:
            names.append(argument)
        elif key == "packages":
            allow_packages_of([argument])
        elif key in _FIELDS:
            own[key] = _TRUTH.get(value, value) if key == "dry_run" else value
        else:
            problems.append(f"{key} is not a setting{did_you_mean(key, [*_FIELDS, 'packages'])}")
    if "all" in names and len(names) > 1:
        problems.append(f"all goes alone, got {' '.join(names)}")
    if problems:
        raise ConfigError("\n".join(problems))
    check_values(own, _FIELDS)
    return list(dict.fromkeys(names)), own


def _list(output_dir: Path) -> None:
    from rnnlab.reproductions.entry import Entry, entry_names
    from rnnlab.reproductions.jobs import Plan
    from rnnlab.reproductions.outcome import read_outcome

    entries = [Entry.load(name) for name in entry_names()]
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        try:
            outcome = read_outcome(Plan.make(entry, "quick", "fresh", output_dir).directory)
            verdict: str = "-" if outcome is None else outcome["verdict"]
        except ConfigError:
            verdict = "damaged"
        say(f"{entry.name:{width}}  {entry.minutes:4g} min  {verdict:14}  {entry.summary}")
    say(f"\n{len(entries)} entries, {sum(entry.minutes for entry in entries):g} minutes in all")


def _say_what_is_left(plan: "Plan") -> None:
    from rnnlab.config.build import check

    for name, jobs in plan.jobs().items():
        check(jobs[0].cfg)
        left = sum(job.checked_action() != "skip" for job in jobs)
        say(f"{plan.entry.name}  {name}: {left} of {len(jobs)} to train")
