"""What the runs of an entry show: the values of each claim, and a verdict."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from typing_extensions import TypedDict

from rnnlab.config.build import build
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import read_json
from rnnlab.process.arithmetic import arithmetic
from rnnlab.process.output import note
from rnnlab.reproductions.entry import Claim
from rnnlab.reproductions.jobs import Plan
from rnnlab.runs.run import Run

FILE = "results.json"
Verdict = Literal["reproduced", "not reproduced", "smoke"]
Runs = Mapping[str, Sequence[Run | None]]


class Finding(TypedDict):
    """A claim or control, as found.

    Attributes:
        what: the number, with its unit.
        job: name of the job.
        control: whether the job must fail.
        paper: what the paper reports, and where; empty if it is not known for sure.
        paper_value: the same as a number, or `None`.
        values: the number of each seed, `None` where training diverged or there is none.
        quartiles: the three quartiles of those that are known, `None` if none is.
        kept: number of seeds on which the bound holds.
        least: number of seeds that it must hold on.
        floor: the number without learning or memory, or `None`.
        must: the bound.
        holds: whether it holds on so many seeds.
    """

    what: str
    job: str
    control: bool
    paper: str
    paper_value: float | None
    values: list[float | None]
    quartiles: list[float] | None
    kept: int
    least: int
    floor: float | None
    must: str
    holds: bool


class Trained(TypedDict):
    """What a job took.

    Attributes:
        job: its name.
        command: the command that trains it.
        parameters: number of parameters, `None` if every seed diverged.
        sequences: sequences seen in training, `None` likewise.
        cpu_seconds: of training, all seeds together.
    """

    job: str
    command: list[str]
    parameters: int | None
    sequences: int | None
    cpu_seconds: float


class Outcome(TypedDict):
    """The results of an entry, as `results.json` has them.

    Attributes:
        name: of the entry.
        tier: how large the runs were.
        seeds: all of them.
        findings: claims, then controls.
        jobs: what each took.
        verdict: whether all hold.
        commit: that which all runs were trained with, `None` if there is none.
    """

    name: str
    tier: str
    seeds: list[int]
    findings: list[Finding]
    jobs: list[Trained]
    verdict: Verdict
    commit: str | None


def read_outcome(directory: Path) -> Outcome | None:
    """Read the results of an earlier call, `None` if there are none.

    Raises:
        ConfigError: the file is damaged.
    """
    path = directory / FILE
    return read_json(path, Outcome) if path.is_file() else None


def judge(plan: Plan, runs: Runs) -> Outcome:
    """Measure each claim on each run.

    Args:
        plan: what was trained.
        runs: job -> the run of each seed, `None` where training diverged.

    Raises:
        ConfigError: a measure doesn't suit the runs.
    """
    entry = plan.entry
    findings = [
        _find(claim, runs[claim.job], control=claim in entry.controls) for claim in entry.checks
    ]
    good = all(finding["holds"] for finding in findings)
    verdict: Verdict = "reproduced" if good else "not reproduced"
    return {
        "name": entry.name,
        "tier": plan.tier,
        "seeds": list(plan.seeds),
        "findings": findings,
        "jobs": [_took(job, plan.command(job), found) for job, found in runs.items()],
        "verdict": "smoke" if plan.tier == "smoke" else verdict,
        "commit": _commit([run for several in runs.values() for run in several if run]),
    }


def _find(claim: Claim, runs: Sequence[Run | None], *, control: bool) -> Finding:
    measure = _measure(claim)
    note(f"{claim.job}: measuring {claim.what}")
    values = [math.nan if run is None else measure(run) for run in runs]
    known = [value for value in values if math.isfinite(value)]
    kept = sum(map(claim.bound.holds, values))
    return {
        "what": claim.what,
        "job": claim.job,
        "control": control,
        "paper": "" if claim.paper is None else claim.paper.shown,
        "paper_value": None if claim.paper is None else claim.paper.number,
        "values": [value if math.isfinite(value) else None for value in values],
        "quartiles": np.percentile(known, [25, 50, 75]).tolist() if known else None,
        "kept": kept,
        "least": claim.least,
        "floor": _floor(claim.floor, [run for run in runs if run is not None]),
        "must": claim.must,
        "holds": kept >= claim.least,
    }


def _measure(claim: Claim) -> Callable[[Run], float]:
    """Return the function that takes the number from a run."""
    if isinstance(claim.measure, str):
        path = claim.measure
        return lambda run: number_at(run, path)
    function = build("measure", claim.measure)

    def measure(run: Run) -> float:
        with arithmetic(run.config):
            return float(function(run))

    return measure


def _floor(floor: float | str | None, runs: Sequence[Run]) -> float | None:
    if isinstance(floor, str):
        return number_at(runs[0], floor) if runs else None
    return floor


def number_at(run: Run, path: str) -> float:
    """Return a number of a run's `results.json`, such as `test/loss`.

    Raises:
        ConfigError: there is none.
    """
    found: Any = run.results
    for part in path.split("/"):
        if not isinstance(found, Mapping) or part not in found:
            takes = ", ".join(found) if isinstance(found, Mapping) else "no further part"
            raise ConfigError(f"measure={path}: {part} is not in results.json: it has {takes}")
        found = found[part]
    return float(found)


def _commit(runs: Sequence[Run]) -> str | None:
    """Return the commit that all runs were trained with, `None` if code was changed after it."""
    states = [run.card.get("git") for run in runs]
    commits = {
        None if git is None or git.get("dirty", True) else git["commit"][:9] for git in states
    }
    return commits.pop() if len(commits) == 1 else None


def _took(job: str, command: list[str], runs: Sequence[Run | None]) -> Trained:
    finished = [run for run in runs if run is not None]
    sizes = [run.results for run in finished[:1]]  # which all seeds share
    return {
        "job": job,
        "command": command,
        "parameters": sizes[0]["parameters"] if sizes else None,
        "sequences": sizes[0]["sequences"] if sizes else None,
        "cpu_seconds": sum(run.card["cpu_seconds"] for run in finished),
    }
