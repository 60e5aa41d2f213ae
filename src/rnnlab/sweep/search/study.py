"""A search with Optuna, read top to bottom: plan, open the study, then batch after batch.

Of a killed search nothing is lost: trials that were running are launched again under their
numbers, their jobs find their run directories, and each choice depends on the seed and on what came
before it alone. So it ends as if it had not been killed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from rnnlab.errors import Busy, ConfigError
from rnnlab.files.foreign import Subject, TrialNotes, checked
from rnnlab.process.output import note, say
from rnnlab.runs.run import Run
from rnnlab.sweep import jobs
from rnnlab.sweep.compose_jobs import Composer
from rnnlab.sweep.search.best import best_lines, scores_line, write_best
from rnnlab.sweep.search.plan import Plan, Settings, job_of, make_plan, read_space
from rnnlab.sweep.search.sampler import Asking
from rnnlab.sweep.search.trials import Trial, close_storage, mend_journal, open_storage

if TYPE_CHECKING:
    import optuna

Launch = Callable[..., Sequence[Any]]


def search(
    settings: Settings, words: Sequence[str], master: DictConfig, compose: Composer, launch: Launch
) -> None:
    """Search until there are as many trials as wanted, those of earlier starts among them.

    Args:
        settings: how.
        words: of the command line; those with several values say what is searched.
        master: Hydra's config of the whole sweep.
        compose: makes configs of words.
        launch: does jobs.

    Raises:
        ConfigError: the settings can't be; nothing was written.
        Interrupted: training was told to stop; the same command goes on.
    """
    sweep = Path(master.hydra.sweep.dir)
    plan = make_plan(settings, read_space(words, compose), compose, sweep)
    if master.dry_run:
        say("\n".join(plan.lines()))
        return
    place = settings.storage or str((sweep / "study.journal").absolute())
    with _study(plan, sweep, place) as study:
        like = Trial(-1, place, study.study_name, settings.pruner, next(iter(plan.objectives)))
        jobs.forget_failures(sweep)
        session = _Session(study, plan, like, sweep, compose, launch)
        asking = Asking(study, plan)
        while batch := asking.batch():
            session.do(batch)
            write_best(sweep, study, plan)
            if master.on_error == "stop" and jobs.failures(sweep):
                break
        for trial in study.get_trials(deepcopy=False):  # those of earlier starts too
            if "failure" in trial.user_attrs:
                jobs.keep_failure(sweep, trial.user_attrs["run"], trial.user_attrs["failure"])
        say("\n".join(best_lines(sweep, study, plan)))


@dataclass(frozen=True)
class _Session:
    """Does trials.

    Attributes:
        study: Optuna's.
        plan: of the search.
        like: what jobs are told of it, but for their numbers.
        sweep: the sweep's directory.
        compose: makes configs of words.
        launch: does jobs.
    """

    study: "optuna.Study"
    plan: Plan
    like: Trial
    sweep: Path
    compose: Composer
    launch: Launch

    def do(self, batch: "Sequence[optuna.Trial]") -> None:
        """Launch trials together, and tell the study what came of them."""
        asked, refused = [], []
        launched: dict[str, list[str]] = {}  # of equal jobs one
        for trial in batch:
            words = self.plan.space.words(trial.params)
            told = [*words, replace(self.like, number=trial.number).word()]
            try:
                job = job_of(told, self.compose, self.sweep)
                launched.setdefault(job.name, told)
            except ConfigError as error:
                said = dict(word.partition("=")[::2] for word in words)
                said = {key: said[key] for key in said if key not in jobs.NOT_OF_A_RUN}
                job = jobs.Job(self.sweep, OmegaConf.create(said), said)  # it has no config
                refused.append((job, error))
            trial.set_user_attr("run", job.name)
            asked.append(job)
        if launched:
            for end in self.launch([*launched.values()], initial_job_idx=batch[0].number):
                _ = end.return_value  # raises what the launcher met
        for job, why in refused:
            jobs.fail(job, why)
        for trial, job in zip(batch, asked, strict=True):
            words = self.plan.space.chosen(trial.params)
            line = f"trial {trial.number}: {self._tell(trial, job)}  {' '.join(words)}"
            note(line)

    def _tell(self, trial: "optuna.Trial", job: jobs.Job) -> str:
        """Tell what came of a trial; one that broke stays open, for the next start to try again."""
        from optuna.trial import TrialState

        failure, run = jobs.failure(self.sweep, job.name), Run(job.path)
        status = failure["status"] if failure else run.status
        if status in ("refused", "diverged"):
            trial.set_user_attr("failure", failure)
            self.study.tell(trial, state=TrialState.FAIL)
        elif status == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED)
        elif status == "finished":
            try:
                values = [_score(run, metric) for metric in self.plan.objectives]
            except ConfigError as error:  # its results are damaged
                jobs.fail(job, error)
                trial.set_user_attr("failure", jobs.failure(self.sweep, job.name))
                self.study.tell(trial, state=TrialState.FAIL)
                return "refused"
            if all(map(isfinite, values)):
                self.study.tell(trial, values)
            else:
                self.study.tell(trial, state=TrialState.FAIL)
            return scores_line(self.plan.objectives, values)
        return status


def _score(run: Run, metric: str) -> float:
    """Give an objective of a run; NaN where it has none, as when tasks are searched."""
    results = run.results
    scores: dict[str, Any] = {f"val/{name}": value for name, value in results["val"].items()}
    return float({**results, **scores}.get(metric, float("nan")))


@contextmanager
def _study(plan: Plan, sweep: Path, place: str) -> Iterator["optuna.Study"]:
    """Open the study alone.

    Raises:
        Busy: another process searches here.
        ConfigError: the study is of something else, or can't be kept there.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(place) if plan.settings.storage else None
    lock = FileLock(sweep / ".search.lock", timeout=0)
    try:
        _acquire(lock, sweep)
        if storage is None:
            mend_journal(Path(place))
            storage = open_storage(place)
        study = optuna.create_study(
            storage=storage,
            study_name=sweep.name,
            directions=[*plan.objectives.values()],
            load_if_exists=True,
        )
        known = study.user_attrs.get("subject")
        if known is None:
            study.set_user_attr("subject", plan.subject)
        elif checked(known, Subject, where=place) != plan.subject:
            raise ConfigError(_differs(sweep.name, known, plan.subject))
        for trial in study.get_trials(deepcopy=False):
            checked(trial.user_attrs, TrialNotes, where=f"{place}: trial {trial.number}")
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


def _differs(name: str, known: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say in what a study is of something else."""
    parts = [
        f"{key} was {known[part].get(key, 'not given')}, is {now[part].get(key, 'not given')}"
        for part in ("space", "fixed", "objectives")
        for key in dict.fromkeys([*known[part], *now[part]])
        if known[part].get(key) != now[part].get(key)
    ]
    return f"{name} is another search ({'; '.join(parts)}): take another sweep_name"
