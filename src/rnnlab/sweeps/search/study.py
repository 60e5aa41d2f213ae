"""A search with Optuna: plan it, open the study, then run one batch of trials after another.

A killed search resumes without loss: trials that were running are launched again under their
numbers, their jobs resume their run directories, and what is suggested depends only on the seed and
on earlier trials. So its result is that of a search that was not killed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import COMMAND_KEYS
from rnnlab.errors import Busy, ConfigError
from rnnlab.files.untrusted import Subject, TrialNotes, validate
from rnnlab.process.output import note, say
from rnnlab.runs.run import Run
from rnnlab.sweeps import jobs
from rnnlab.sweeps.compose_jobs import Composer
from rnnlab.sweeps.search.best import best_lines, format_scores, write_best
from rnnlab.sweeps.search.plan import Plan, SearchSettings, compose_job, make_plan, read_space
from rnnlab.sweeps.search.sampler import TrialSource
from rnnlab.sweeps.search.trials import TrialRef, close_storage, open_storage, repair_journal

if TYPE_CHECKING:
    import optuna

Launch = Callable[..., Sequence[Any]]


def search(
    settings: SearchSettings,
    overrides: Sequence[str],
    sweep_config: DictConfig,
    compose: Composer,
    launch: Launch,
) -> None:
    """Search until the study has `n_trials` trials, and print the best.

    Args:
        settings: settings of `hydra.sweeper`.
        overrides: overrides of the command line; those with several values are searched.
        sweep_config: Hydra's config of the whole sweep.
        compose: composer of the jobs' configs.
        launch: the launcher's `launch`.

    Raises:
        ConfigError: the settings are invalid, and nothing was written.
        Interrupted: a signal was received; the same command resumes the search.
    """
    sweep = Path(sweep_config.hydra.sweep.dir)
    plan = make_plan(settings, read_space(overrides, compose), compose, sweep)
    if sweep_config.dry_run:
        say("\n".join(plan.lines()))
        return
    storage = settings.storage or str((sweep / "study.journal").absolute())
    with _open_study(plan, sweep, storage) as study:
        objective = next(iter(plan.objectives))
        ref = TrialRef(-1, storage, study.study_name, settings.pruner, objective)
        jobs.remove_failures(sweep)
        runner = _BatchRunner(study, plan, ref, sweep, compose, launch)
        source = TrialSource(study, plan)
        while batch := source.next_batch():
            runner.run(batch)
            write_best(sweep, study, plan)
            if sweep_config.on_error == "stop" and jobs.read_failures(sweep):
                break
        for trial in study.get_trials(deepcopy=False):  # also those of earlier commands
            if "failure" in trial.user_attrs:
                jobs.write_failure(sweep, trial.user_attrs["run"], trial.user_attrs["failure"])
        say("\n".join(best_lines(sweep, study, plan)))


@dataclass(frozen=True)
class _BatchRunner:
    """Runs batches of trials.

    Attributes:
        study: Optuna's study.
        plan: plan of the search.
        ref: the reference that each job gets to its trial, but for the number.
        sweep: the sweep's directory.
        compose: composer of the jobs' configs.
        launch: the launcher's `launch`.
    """

    study: "optuna.Study"
    plan: Plan
    ref: TrialRef
    sweep: Path
    compose: Composer
    launch: Launch

    def run(self, batch: "Sequence[optuna.Trial]") -> None:
        """Launch the jobs of a batch together, and tell the study their results."""
        batch_jobs, refused = [], []
        launched: dict[str, list[str]] = {}  # job name -> overrides: equal jobs are launched once
        for trial in batch:
            overrides = self.plan.space.overrides(trial.params)
            with_ref = [*overrides, replace(self.ref, number=trial.number).override()]
            try:
                job = compose_job(with_ref, self.compose, self.sweep)
                launched.setdefault(job.name, with_ref)
            except ConfigError as error:
                job = self._job_without_config(overrides)
                refused.append((job, error))
            trial.set_user_attr("run", job.name)
            batch_jobs.append(job)
        if launched:
            for result in self.launch([*launched.values()], initial_job_idx=batch[0].number):
                _ = result.return_value  # raises the launcher's exception, if there was one
        for job, reason in refused:
            jobs.record_failure(job, reason)
        for trial, job in zip(batch, batch_jobs, strict=True):
            outcome = self._tell(trial, job)
            searched = " ".join(self.plan.space.searched_overrides(trial.params))
            note(f"trial {trial.number}: {outcome}  {searched}")

    def _job_without_config(self, overrides: Sequence[str]) -> jobs.Job:
        """Make a stand-in for a job whose config can't be composed, named by its overrides."""
        values = dict(override.partition("=")[::2] for override in overrides)
        values = {key: values[key] for key in values if key not in COMMAND_KEYS}
        return jobs.Job(self.sweep, OmegaConf.create(values), values)

    def _tell(self, trial: "optuna.Trial", job: jobs.Job) -> str:
        """Tell the study a trial's result, and return it for display.

        A trial that failed for another reason than its settings stays RUNNING, and the next
        command runs it again.
        """
        from optuna.trial import TrialState

        failure, run = jobs.read_failure(self.sweep, job.name), Run(job.path)
        status = failure["status"] if failure else run.status
        if status in ("refused", "diverged"):
            trial.set_user_attr("failure", failure)
            self.study.tell(trial, state=TrialState.FAIL)
        elif status == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED)
        elif status == "finished":
            try:
                values = [_score(run, metric) for metric in self.plan.objectives]
            except ConfigError as error:  # results.json is damaged
                jobs.record_failure(job, error)
                trial.set_user_attr("failure", jobs.read_failure(self.sweep, job.name))
                self.study.tell(trial, state=TrialState.FAIL)
                return "refused"
            if all(map(isfinite, values)):
                self.study.tell(trial, values)
            else:
                self.study.tell(trial, state=TrialState.FAIL)
            return format_scores(self.plan.objectives, values)
        return status


def _score(run: Run, metric: str) -> float:
    """Return an objective of a run; NaN if its task doesn't score it."""
    results = run.results
    scores: dict[str, Any] = {f"val/{name}": value for name, value in results["val"].items()}
    return float({**results, **scores}.get(metric, float("nan")))


@contextmanager
def _open_study(plan: Plan, sweep: Path, location: str) -> Iterator["optuna.Study"]:
    """Open the study, locked against other processes; create it if it doesn't exist.

    Args:
        plan: plan of the search.
        sweep: the sweep's directory.
        location: URL of a database, or path of a journal.

    Raises:
        Busy: another process runs this search.
        ConfigError: the study is of a different search, or the storage can't be used.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(location) if plan.settings.storage else None
    lock = FileLock(sweep / ".search.lock", timeout=0)
    try:
        _acquire(lock, sweep)
        if storage is None:
            repair_journal(Path(location))
            storage = open_storage(location)
        study = optuna.create_study(
            storage=storage,
            study_name=sweep.name,
            directions=[*plan.objectives.values()],
            load_if_exists=True,
        )
        known = study.user_attrs.get("subject")
        if known is None:
            study.set_user_attr("subject", plan.subject)
        elif validate(known, Subject, where=location) != plan.subject:
            raise ConfigError(_describe_difference(sweep.name, known, plan.subject))
        for trial in study.get_trials(deepcopy=False):
            validate(trial.user_attrs, TrialNotes, where=f"{location}: trial {trial.number}")
        yield study
    finally:
        if storage is not None:
            close_storage(storage)
        lock.release()


def _acquire(lock: FileLock, sweep: Path) -> None:
    try:
        sweep.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{sweep} is being searched by another process") from error
    except OSError as error:
        raise ConfigError(f"output_dir must be a directory to write in: {error}") from error


def _describe_difference(name: str, known: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the error message for a study whose `Plan.subject` was another."""
    parts = [
        f"{key} was {known[part].get(key, 'not given')}, is {now[part].get(key, 'not given')}"
        for part in ("space", "fixed", "objectives")
        for key in dict.fromkeys([*known[part], *now[part]])
        if known[part].get(key) != now[part].get(key)
    ]
    return f"{name} is another search ({'; '.join(parts)}): take another sweep_name"
