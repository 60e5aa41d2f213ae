"""Jobs of a sweep done as groups, each one batched model; who is alone, and why, is said."""

from collections.abc import Mapping, Sequence

from rnnlab.config.build import check
from rnnlab.ensemble import joinable, train_group
from rnnlab.ensemble.kernels import why_none
from rnnlab.errors import Busy, ConfigError, Diverged
from rnnlab.process.output import note
from rnnlab.runs.run import Run
from rnnlab.sweep.jobs import Job, fail, judges
from rnnlab.training.prepare import prepare
from rnnlab.training.resume import point


def do_groups(jobs: Mapping[int, Job], members: str | int) -> list[int]:
    """Do the jobs that can be stacked, group by group; the others are left.

    Args:
        jobs: place in the sweep -> job.
        members: how many to train at once, or `auto`.

    Returns:
        The places of the jobs that are done, or have failed.

    Raises:
        Interrupted: training was told to stop.
    """
    # Of equal jobs the first is done; the others, left, are found to be done.
    first = {job.name: place for place, job in reversed([*jobs.items()])}
    open_jobs = {p: job for p, job in jobs.items() if first[job.name] == p and _can_train(job)}
    places = list(open_jobs)
    groups = joinable([open_jobs[place].cfg for place in places])
    done: list[int] = []
    for group in groups:
        chosen = [places[index] for index in group.indices]
        if group.reason is not None:
            _say(f"job {chosen[0] + 1} goes alone: {group.reason}")
            continue
        if not _can_be_built(open_jobs[chosen[0]]):
            continue  # they differ in nothing that matters here: each will be told alone
        _say(f"{len(chosen)} jobs as one model: {_numbers(chosen)}")
        if not done and (why := why_none()):
            _say(f"without compiled kernels groups are 2 to 5 times slower: {why}")
        if _train([open_jobs[place] for place in chosen], members):
            done += chosen
    return done


def _can_train(job: Job) -> bool:
    """Tell whether there is something to do, and nothing wrong with it; else it goes alone."""
    try:
        check(job.cfg)
        if job.plan == "resume":
            point(Run.load(job.path))
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
    """Train jobs as one model; tells whether that is done, or they are to be done alone."""
    most = None if members == "auto" else int(members)
    try:
        runs = [
            Run.load(job.path) if job.plan == "resume" else Run.create(job.cfg, job.path, job.words)
            for job in jobs
        ]
        ended = train_group(runs, [job.cfg for job in jobs], members=most, judge=judges(*jobs))
    except Busy as error:  # no failure: somebody else is at it
        _say(f"left to another process: {error}")
        return True
    except ConfigError as error:  # of one of them, which is found to be so alone
        _say(f"these jobs go alone: {error}")
        return False
    for job, end in zip(jobs, ended, strict=True):
        if end.error is not None:
            fail(job, Diverged(end.error) if end.status == "diverged" else ConfigError(end.error))
    return True


def _numbers(places: Sequence[int]) -> str:
    """Name jobs by their numbers, five and more in a row by the first and the last."""
    runs: list[list[int]] = []
    for number in (place + 1 for place in places):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 4 else ", ".join(map(str, run)) for run in runs
    )


def _say(line: str) -> None:
    note(line)
