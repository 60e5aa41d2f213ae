"""`rnnlab-reproduce`: published results, found again beside their controls."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any, Literal

from rnnlab.cli.arguments import pop_config_directory
from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.config.build import check_values
from rnnlab.config.packages import allow_packages_of
from rnnlab.config.sources import ConfigSource, using_source
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError, lacks_package
from rnnlab.process.garbage import gc_paused
from rnnlab.process.output import say

if TYPE_CHECKING:
    from rnnlab.reproduce.entry import Entry
    from rnnlab.reproduce.jobs import Plan
    from rnnlab.reproduce.outcome import Outcome
    from rnnlab.sweep.jobs import Job

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
    output_dir = Path(own["output_dir"]).expanduser()

    with using_source(ConfigSource(directory)):
        with gc_paused():
            from rnnlab.reproduce.entry import Entry, entry_names
            from rnnlab.reproduce.jobs import Plan
        known = list(entry_names())
        if not names:
            _list([Entry.load(name) for name in known], output_dir)
            return
        chosen = known if names == ["all"] else names
        entries = [Entry.load(name) for name in chosen]
        for entry in entries:  # all, before the first trains
            entry.check_measures()
        plans = [Plan.make(entry, own["tier"], own["seeds"], output_dir) for entry in entries]
        if own["dry_run"]:
            for plan in plans:
                _say_what_is_left(plan)
            return
        jobs, left_out = _jobs_with_data(plans, leave_out=names == ["all"])
        found = [
            _reproduce(plan, jobs[plan.entry.name], line)
            for plan in plans
            if plan.entry.name in jobs
        ]
    if len(found) > 1:
        from rnnlab.reproduce.write import overview

        say("\n".join(["", *overview(found)]))
    for name, problem in left_out.items():
        say(f"{name} is left out: {problem}")
    if any(outcome["verdict"] == "not reproduced" for outcome, _ in found):
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


def _list(entries: "Sequence[Entry]", output_dir: Path) -> None:
    from rnnlab.reproduce.jobs import Plan
    from rnnlab.reproduce.outcome import read_outcome

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


def _jobs_with_data(
    plans: "Sequence[Plan]", *, leave_out: bool
) -> "tuple[dict[str, Mapping[str, Sequence[Job]]], dict[str, ConfigError]]":
    """Compose and check the jobs of each entry, before the first trains.

    Args:
        plans: one of each entry.
        leave_out: whether entries whose data are not installed are left out, and not refused.

    Returns:
        The jobs of the entries that can be trained, by name, and what the others lack.
    """
    from rnnlab.reproduce.jobs import check

    found: dict[str, Mapping[str, Sequence[Job]]] = {}
    left_out = {}
    for plan in plans:
        jobs = plan.jobs()
        try:
            check(jobs)
        except ConfigError as error:
            if not (leave_out and lacks_package(error)):
                raise
            left_out[plan.entry.name] = error
        else:
            found[plan.entry.name] = jobs
    return found, left_out


def _reproduce(
    plan: "Plan", jobs: "Mapping[str, Sequence[Job]]", line: str
) -> "tuple[Outcome, float]":
    """Train, measure, and write and print the report; with the seconds that it took."""
    from rnnlab.reproduce.jobs import train
    from rnnlab.reproduce.outcome import judge
    from rnnlab.reproduce.write import terminal, write

    begun = time.perf_counter()
    say(f"\n{plan.entry.name}, {len(plan.seeds)} seeds")
    outcome = judge(plan, train(jobs))
    write(plan, outcome, line)
    say(terminal(plan.entry, outcome))
    say(f"written to        {plan.directory}")
    say(f"open TensorBoard  {join(['tensorboard', '--logdir', str(plan.directory)])}")
    return outcome, time.perf_counter() - begun
