"""Training the jobs of a sweep in groups, each of them one batched model."""

from collections.abc import Mapping, Sequence

from rnnlab.config.build import check
from rnnlab.ensemble import find_groups, train_group
from rnnlab.ensemble.groups import ONLY, UNLIKE
from rnnlab.errors import Busy, ConfigError
from rnnlab.experiment.settings import resolve_accelerator
from rnnlab.kernels.functions import why_none_on
from rnnlab.process.output import note
from rnnlab.runs.new_run import NewRun
from rnnlab.runs.run import Run
from rnnlab.sweeps.jobs import Job, pruner_of, record_failure
from rnnlab.training.prepare import prepare
from rnnlab.training.resume_point import find_resume_point


def train_groups(jobs: Mapping[int, Job], members: str | int) -> list[int]:
    """Train the jobs that can be stacked, group by group, and print which go alone and why.

    Args:
        jobs: position in the sweep -> job.
        members: the most that train at once, or `auto`.

    Returns:
        The positions of the jobs that were trained or failed; the others are left to be run alone.

    Raises:
        Interrupted: training was stopped by a signal.
    """
    # Of equal jobs only the first trains; the others are skipped later as finished.
    first = {job.name: position for position, job in reversed([*jobs.items()])}
    open_jobs = {n: job for n, job in jobs.items() if first[job.name] == n and _can_train(job)}
    positions = list(open_jobs)
    groups = find_groups([open_jobs[position].cfg for position in positions])
    done: list[int] = []
    alone: dict[str, list[int]] = {}
    for group in groups:
        if group.reason is not None:
            alone.setdefault(group.reason, []).append(positions[group.indices[0]])
    for reason, chosen in alone.items():
        verb = "go" if len(chosen) > 1 else "goes"
        note(f"{_named(jobs, chosen)} {verb} alone: {reason}{_advice(jobs[chosen[0]], reason)}")
    for group in groups:
        chosen = [positions[index] for index in group.indices]
        if group.reason is not None:
            continue
        if not _can_be_built(open_jobs[chosen[0]]):
            continue  # none of the group can: each is refused when it is run alone
        kind = "trials" if jobs[chosen[0]].trial else "jobs"
        note(f"{len(chosen)} {kind} as one model: {_format_numbers(_numbers(jobs, chosen))}")
        cfg = open_jobs[chosen[0]].cfg
        device = "cpu" if resolve_accelerator(cfg.trainer.accelerator) == "cpu" else "cuda"
        if not done and (why := why_none_on(device)):
            note(f"without kernels groups are 3 to 10 times slower: {why}")
        if _train([open_jobs[position] for position in chosen], members):
            done += chosen
    return done


def _can_train(job: Job) -> bool:
    """Whether a job is still to be trained, its config is valid and its checkpoint readable."""
    try:
        check(job.cfg)
        if job.action == "resume":
            find_resume_point(Run.load(job.path))
    except ConfigError:
        return False
    return job.is_open


def _can_be_built(job: Job) -> bool:
    try:
        prepare(job.cfg)
    except ConfigError:
        return False
    return True


def _train(jobs: list[Job], members: str | int) -> bool:
    """Train jobs as one model; False if they must be run alone instead."""
    most = None if members == "auto" else int(members)
    try:
        new = [job for job in jobs if job.action != "resume"]
        Run.create_all([NewRun(job.cfg, job.path, job.overrides) for job in new])
        runs = [Run.load(job.path) for job in jobs]
        ended = train_group(runs, [job.cfg for job in jobs], members=most, pruner=pruner_of(*jobs))
    except Busy as error:
        note(f"left to another process: {error}")
        return True
    except ConfigError as error:  # one job is at fault, and is refused when it is run alone
        note(f"these jobs go alone: {error}")
        return False
    for job, end in zip(jobs, ended, strict=True):
        if end.error is not None:
            record_failure(job, end.error)
    return True


def _named(jobs: Mapping[int, Job], positions: Sequence[int]) -> str:
    """Name jobs by their numbers, as `job 3` or `trials 0, 2`."""
    kind = "trial" if jobs[positions[0]].trial else "job"
    numbers = _format_numbers(_numbers(jobs, positions))
    return f"{kind}{'s' if len(positions) > 1 else ''} {numbers}"


def _numbers(jobs: Mapping[int, Job], positions: Sequence[int]) -> list[int]:
    """Return the numbers of trials, or of jobs, which count from 1."""
    trials = [jobs[position].trial for position in positions]
    return [
        position + 1 if trial is None else trial.number
        for position, trial in zip(positions, trials, strict=True)
    ]


def _advice(job: Job, reason: str) -> str:
    """Return how more trials of a search would come to be trained as one model, or nothing."""
    if job.trial is None:
        return ""
    if reason == ONLY:
        return "; with hydra.sweeper.n_jobs=8 eight trials are launched at once"
    if reason.startswith(UNLIKE):
        return "; with hydra.sweeper.trials_per_shape=8 eight trials in a row share such settings"
    return ""


def _format_numbers(numbers: Sequence[int]) -> str:
    """List numbers; five or more in a row as `first to last`."""
    rows: list[list[int]] = []
    for number in numbers:
        if rows and number == rows[-1][-1] + 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    return ", ".join(
        f"{row[0]} to {row[-1]}" if len(row) > 4 else ", ".join(map(str, row)) for row in rows
    )
