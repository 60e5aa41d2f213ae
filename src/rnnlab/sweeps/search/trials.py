"""Optuna's side of a job: the reference to its trial, pruning, and the study's storage.

Optuna is imported where it is used, so that plain sweeps don't wait for it.
"""

import re
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from rnnlab.config.compose import NO_TRIAL
from rnnlab.config.overrides import format_value
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import read_bytes
from rnnlab.process.output import note
from rnnlab.spelling import first_line

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

Scores = Mapping[str, float]
_LARGEST_JOURNAL = 2**30  # bytes


@dataclass(frozen=True)
class TrialRef:
    """Reference from a job to its Optuna trial, passed in the override `trial={...}`.

    Attributes:
        number: number of the trial.
        storage: URL of the study's database, or path of its journal.
        study: name of the study.
        pruner: none | median | asha.
        objective: the metric by which the pruner decides.
    """

    number: int
    storage: str
    study: str
    pruner: str
    objective: str

    @classmethod
    def read(cls, value: Any) -> "TrialRef | None":
        """Read the value of the config key `trial`.

        Raises:
            ConfigError: it is neither null nor the value that `override` formats.
        """
        if value is None:
            return None
        fields = value if isinstance(value, Mapping) else {}
        if {key: type(field) for key, field in fields.items()} != cls.__annotations__:
            raise ConfigError(NO_TRIAL)
        return cls(**value)

    def override(self) -> str:
        """Format the reference as an override."""
        return f"trial={format_value(asdict(self))}"


class TrialPruner:
    """Applies Optuna's pruner to jobs that train side by side.

    Args:
        trials: run name -> trial, all of one search.
        val_every: updates between validations.
    """

    def __init__(self, trials: Mapping[str, TrialRef], val_every: int) -> None:
        from optuna import load_study

        (search,) = {(t.storage, t.study, t.pruner, t.objective) for t in trials.values()}
        storage, study, pruner, self.objective = search
        self.storage = open_storage(storage)
        weakref.finalize(self, close_storage, self.storage)
        self.study = load_study(
            study_name=study, storage=self.storage, pruner=_pruner(pruner, val_every)
        )
        ids = {t.number: t._trial_id for t in self.study.get_trials(deepcopy=False)}
        self.ids = {name: ids[trial.number] for name, trial in trials.items()}

    def __call__(self, step: int, scores: Mapping[str, Scores]) -> set[str]:
        """Report validation scores to the study, and return the names of the runs to prune.

        The best run is decided first, since successive halving promotes the best so far.

        Args:
            step: number of updates.
            scores: run name -> metric -> value.
        """
        from optuna.study import StudyDirection

        values = {name: row[self.objective] for name, row in scores.items()}
        for name, value in values.items():
            self.storage.set_trial_intermediate_value(self.ids[name], step, value)
        maximize = self.study.direction == StudyDirection.MAXIMIZE
        return {
            name
            for name in sorted(values, key=values.__getitem__, reverse=maximize)
            if self.study.pruner.prune(self.study, self.storage.get_trial(self.ids[name]))
        }


def make_pruner(trials: Mapping[str, TrialRef | None], val_every: int) -> TrialPruner | None:
    """Return the pruner of jobs that train side by side, or `None` if their search has none."""
    pruned = {name: trial for name, trial in trials.items() if trial and trial.pruner != "none"}
    return TrialPruner(pruned, val_every) if pruned else None


def open_storage(location: str) -> "BaseStorage":
    """Open the storage of a study, to be closed by `close_storage`; create it if it is missing.

    Args:
        location: URL of a database, or path of a journal.

    Raises:
        ConfigError: it can't be opened.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        if "://" in location:
            return _open_database(location)
        # Optuna's own lock stays for half a minute after its process was killed.
        lock: Any = FileLock(f"{location}.writing")
        return JournalStorage(JournalFileBackend(location, lock_obj=lock))
    except Exception as error:  # of SQLAlchemy or of the database's driver
        reason = first_line(error)
        raise ConfigError(f"hydra.sweeper.storage={location} can't be used: {reason}") from error


def _open_database(url: str) -> "BaseStorage":
    """Open a database; retries, since of processes that create its tables at once one fails."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError

    for wait in (0.1, 0.3, 1.0, 3.0):
        try:
            return RDBStorage(url)
        except DBAPIError as error:
            if not re.search("already exists|unique|duplicate|locked", str(error), re.IGNORECASE):
                raise
            time.sleep(wait)
    return RDBStorage(url)


def close_storage(storage: "BaseStorage") -> None:
    """Close the connections of a database; a journal has none."""
    if (engine := getattr(storage, "engine", None)) is not None:
        storage.remove_session()
        engine.dispose()


def repair_journal(path: Path) -> None:
    """Remove an incomplete last line, as a full disk leaves: lines after it would be lost."""
    if not path.exists():
        return
    content = read_bytes(path, largest=_LARGEST_JOURNAL)
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
        note(f"{path} ended within a line, which was taken away")


def _pruner(name: str, val_every: int) -> "BasePruner":
    from optuna.pruners import MedianPruner, SuccessiveHalvingPruner

    return MedianPruner() if name == "median" else SuccessiveHalvingPruner(min_resource=val_every)
