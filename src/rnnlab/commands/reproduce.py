"""Published results, found again beside their controls."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

from rnnlab.commands.arguments import user_path
from rnnlab.config.build import check_values
from rnnlab.config.packages import allow_packages
from rnnlab.config.sources import ConfigSource, using_source
from rnnlab.errors import ConfigError, lacks_package
from rnnlab.process.untouched import process_untouched
from rnnlab.reproductions.entry import Entry, SeedSet, Tier, entry_names
from rnnlab.reproductions.jobs import Plan, check, train
from rnnlab.reproductions.outcome import Outcome, Verdict, judge
from rnnlab.reproductions.write import finding_row, overview, terminal, write
from rnnlab.runs.figures import Figures
from rnnlab.runs.frames import as_frame
from rnnlab.runs.html import text
from rnnlab.runs.run import Run
from rnnlab.sweeps.jobs import Job

Show = Callable[[object], object]


@dataclass(frozen=True, repr=False)
class Reproduction:
    """A published result, as found.

    Attributes:
        plan: what was trained, and where it is.
        outcome: claims and controls with the values of all seeds, and the verdict.
        runs: name of a job -> the run of each seed, `None` where training diverged.
        seconds: what the call took.
    """

    plan: Plan
    outcome: Outcome
    runs: Mapping[str, Sequence[Run | None]]
    seconds: float

    @property
    def path(self) -> Path:
        """The directory of runs and report."""
        return self.plan.directory

    @property
    def verdict(self) -> Verdict:
        """`reproduced`, `not reproduced`, or `smoke` of the tier that learns nothing."""
        return self.outcome["verdict"]

    @property
    def table(self) -> Any:
        """A row for each claim and control: what the paper reports, ours, and what it must be.

        A `pandas.DataFrame` where pandas is installed, else a list of mappings.
        """
        return as_frame([finding_row(found) for found in self.outcome["findings"]])

    def __repr__(self) -> str:
        return f"Reproduction({self.outcome['name']}, {self.verdict})"

    def __str__(self) -> str:
        return terminal(self.plan.entry, self.outcome)


@dataclass(frozen=True)
class Reproductions:
    """Published results, as found.

    Attributes:
        found: name of an entry -> what was found.
        left_out: name of an entry -> the data that it lacks, of `all`.
    """

    found: Mapping[str, Reproduction]
    left_out: Mapping[str, str]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Name of an entry -> its verdict."""
        return {name: each.verdict for name, each in self.found.items()}

    @property
    def figures(self) -> Figures:
        """The figures: name of an entry, and of a figure -> path of a PNG file."""
        return Figures(
            {
                f"{name} {path.stem}": path
                for name, each in self.found.items()
                for path in sorted(each.path.glob("figure*.png"))
            }
        )

    def __str__(self) -> str:
        rows = [(each.outcome, each.seconds) for each in self.found.values()]
        lines = overview(rows) if rows else []
        lines += [f"{name} is left out: {problem}" for name, problem in self.left_out.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = [*map(str, self.found.values()), str(self)]
        return "\n".join(
            [*(f"<pre>{text(each)}</pre>" for each in shown), self.figures._repr_html_()]
        )


@process_untouched()
def reproduce(
    *names: str,
    tier: Tier = "quick",
    seeds: SeedSet = "fresh",
    output_dir: str | Path = "outputs",
    packages: Iterable[str] = (),
    config_dir: str | Path | None = None,
    command: str | None = None,
    show: Show | None = None,
) -> Reproductions:
    """Find published results again, with their controls, as `rnnlab-reproduce` does.

    What is trained is not trained again, and what was interrupted goes on. Runs and report are in
    `output_dir/reproduce/NAME/TIER`.

    Args:
        *names: entries of the gallery, or `all`.
        tier: `smoke` tries the machinery in seconds, `quick` takes minutes, `full` is of the
            paper's own size.
        seeds: `fresh` ones confirm; `tuning` ones are those that thresholds were set on.
        output_dir: where runs are written.
        packages: packages of your own that have entries.
        config_dir: a directory of your own configs, with entries in `reproduce`.
        command: how it was asked for, quoted in the report; `None` is this call.
        show: called with each line as soon as it is known, such as `print`.

    Returns:
        Verdicts, numbers beside the paper's, runs and figures.

    Raises:
        ConfigError: an argument or an entry is wrong, or data are missing.
        Interrupted: it was stopped, as by Ctrl-C; the same call goes on.
        RunLost: a job failed.

    Example:
        >>> rnnlab.reproduce("yule1927_sunspots").verdicts
    """
    allow_packages([packages] if isinstance(packages, str) else packages)
    line = command or f"rnnlab.reproduce({', '.join(map(repr, names))}, {tier=}, {seeds=})"
    with using_source(ConfigSource.at(config_dir)):
        plans = make_plans(names, tier, seeds, output_dir)
        jobs, left_out = _jobs_with_data(plans, leave_out=names == ("all",))
        found = {
            plan.entry.name: _reproduce(plan, jobs[plan.entry.name], line, show or (lambda _: None))
            for plan in plans
            if plan.entry.name in jobs
        }
    return Reproductions(found, {name: str(problem) for name, problem in left_out.items()})


def make_plans(
    names: Sequence[str], tier: Tier, seeds: SeedSet, output_dir: str | Path
) -> list[Plan]:
    """Plan the jobs of entries; all are checked before the first trains.

    Raises:
        ConfigError: an argument or an entry is wrong.
    """
    check_values({"tier": tier, "seeds": seeds}, {"tier": Tier, "seeds": SeedSet})
    known = list(entry_names())
    if not names:
        raise ConfigError(f"a name is missing: {', '.join(known)} or all")
    entries = [
        Entry.load(name) for name in (known if tuple(names) == ("all",) else dict.fromkeys(names))
    ]
    for entry in entries:
        entry.check_measures()
    place = user_path(output_dir)
    return [Plan.make(entry, tier, seeds, place) for entry in entries]


def _jobs_with_data(
    plans: Sequence[Plan], *, leave_out: bool
) -> tuple[dict[str, Mapping[str, Sequence[Job]]], dict[str, ConfigError]]:
    """Compose and check the jobs of each entry, before the first trains.

    Args:
        plans: one of each entry.
        leave_out: whether entries whose data are not installed are left out, and not refused.

    Returns:
        The jobs of the entries that can be trained, by name, and what the others lack.
    """
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
    plan: Plan, jobs: Mapping[str, Sequence[Job]], command: str, show: Show
) -> Reproduction:
    """Train, measure, and write and show the report."""
    begun = time.perf_counter()
    show(f"\n{plan.entry.name}, {len(plan.seeds)} seeds")
    runs = train(jobs)
    outcome = judge(plan, runs)
    write(plan, outcome, runs, command)
    found = Reproduction(plan, outcome, runs, time.perf_counter() - begun)
    show(found)
    show(f"written to        {plan.directory}")
    show(f"open TensorBoard  {join(['tensorboard', '--logdir', str(plan.directory)])}")
    return found
