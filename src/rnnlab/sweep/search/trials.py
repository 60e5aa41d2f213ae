"""Jobs that are trials of a search: where Optuna keeps them, and which have no prospect.

Optuna is imported where it is used: nobody else waits for it.
"""

import re
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from rnnlab.config.overrides import spelt
from rnnlab.errors import ConfigError
from rnnlab.files.foreign import read_bytes
from rnnlab.process.output import note

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

Scores = Mapping[str, float]
_LARGEST = 2**30  # bytes of a journal


@dataclass(frozen=True)
class Trial:
    """What a job knows of the search that it belongs to.

    Attributes:
        number: which trial it is.
        storage: where the study is: an address with `://`, or the path of a journal.
        study: its name.
        pruner: none | median | asha.
        objective: the metric that the pruner looks at.
    """

    number: int
    storage: str
    study: str
    pruner: str
    objective: str

    @classmethod
    def read(cls, given: Any) -> "Trial | None":
        """Read what `word` spelt.

        Raises:
            ConfigError: it was another who spelt it.
        """
        if given is None:
            return None
        kinds = given if isinstance(given, Mapping) else {}
        if {key: type(value) for key, value in kinds.items()} != cls.__annotations__:
            raise ConfigError("trial can't be given: hydra/sweeper=optuna tells it to its jobs")
        return cls(**given)

    def word(self) -> str:
        """Spell it as a word of the job's command line."""
        return f"trial={spelt(asdict(self))}"


class Judge:
    """Finds among jobs that train side by side those that should stop.

    Args:
        trials: of one search, by the names of their run directories.
        val_every: updates between validations.
    """

    def __init__(self, trials: Mapping[str, Trial], val_every: int) -> None:
        from optuna import load_study

        (about,) = {(t.storage, t.study, t.pruner, t.objective) for t in trials.values()}
        storage, study, pruner, self.objective = about
        self.storage = open_storage(storage)
        weakref.finalize(self, close_storage, self.storage)
        self.study = load_study(
            study_name=study, storage=self.storage, pruner=_pruner(pruner, val_every)
        )
        ids = {t.number: t._trial_id for t in self.study.get_trials(deepcopy=False)}
        self.ids = {name: ids[trial.number] for name, trial in trials.items()}

    def __call__(self, step: int, scores: Mapping[str, Scores]) -> set[str]:
        """Report the validations after `step` updates, by run; gives the runs that should stop.

        The best is judged first: successive halving lets pass whoever leads when he is asked.
        """
        from optuna.study import StudyDirection

        values = {name: row[self.objective] for name, row in scores.items()}
        for name, value in values.items():
            self.storage.set_trial_intermediate_value(self.ids[name], step, value)
        falling = self.study.direction == StudyDirection.MAXIMIZE
        return {
            name
            for name in sorted(values, key=values.__getitem__, reverse=falling)
            if self.study.pruner.prune(self.study, self.storage.get_trial(self.ids[name]))
        }


def judge(trials: Mapping[str, Trial | None], val_every: int) -> Judge | None:
    """Make a judge of the jobs of one launch, if their search prunes."""
    pruned = {name: trial for name, trial in trials.items() if trial and trial.pruner != "none"}
    return Judge(pruned, val_every) if pruned else None


def open_storage(place: str) -> "BaseStorage":
    """Open where a study is kept, and make it where it isn't there; see `close_storage`.

    Raises:
        ConfigError: it can't be.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        if "://" in place:
            return _open_database(place)
        # Optuna's own lock outlives a process that was killed, by half a minute.
        lock: Any = FileLock(f"{place}.writing")
        return JournalStorage(JournalFileBackend(place, lock_obj=lock))
    except Exception as error:  # of SQLAlchemy and of whatever driver the address names
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"hydra.sweeper.storage={place} can't be used: {first}") from error


def _open_database(place: str) -> "BaseStorage":
    """Open a database; of two processes that make its tables at once one is refused at first."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError

    for wait in (0.1, 0.3, 1.0, 3.0):
        try:
            return RDBStorage(place)
        except DBAPIError as error:
            if not re.search("already exists|unique|duplicate|locked", str(error), re.IGNORECASE):
                raise
            time.sleep(wait)
    return RDBStorage(place)


def close_storage(storage: "BaseStorage") -> None:
    """Close a database's connections; other storages have none."""
    if (engine := getattr(storage, "engine", None)) is not None:
        storage.remove_session()
        engine.dispose()


def mend_journal(path: Path) -> None:
    """Take away the half of a line that a full disk left: all after it would be lost with it."""
    if not path.exists():
        return
    content = read_bytes(path, largest=_LARGEST)
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
        note(f"{path} ended within a line, which was taken away")


def _pruner(name: str, val_every: int) -> "BasePruner":
    from optuna.pruners import MedianPruner, SuccessiveHalvingPruner

    return MedianPruner() if name == "median" else SuccessiveHalvingPruner(min_resource=val_every)
