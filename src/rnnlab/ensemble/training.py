"""Training of a group, from run directories to results: open, fit, score the best weights, write.

Lightning trains one module with one optimizer to one end, but members leave a group between
updates: their patience is over, they are pruned, diverge, or their directory is lost. So groups
have their own loop; all else is shared with `training.train`. A group doesn't save after each
validation: for small networks N checkpoints every time would take a fifth of the whole time.
tests/ensemble/test_training.py compares all files of members with those of single runs.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple

from omegaconf import DictConfig

from rnnlab.ensemble.ensemble import Divergence, Ensemble
from rnnlab.ensemble.member import Member
from rnnlab.ensemble.memory import keep_freed_blocks, members_that_fit
from rnnlab.ensemble.scoring import score
from rnnlab.ensemble.snapshot import Snapshot
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.files import checkpoint
from rnnlab.process.arithmetic import set_arithmetic
from rnnlab.process.global_state import global_state_restored
from rnnlab.runs.run import Run
from rnnlab.training.prepare import facts, prepare, print_warnings
from rnnlab.training.results import Scores, write_results
from rnnlab.training.resume_point import check_changes, find_resume_point
from rnnlab.training.save_schedule import SaveSchedule
from rnnlab.training.stopping import Pruner, Stopped, StopSignals, saved_at


class Ended(NamedTuple):
    """How the training of a member ended.

    Attributes:
        status: as in `run.json`.
        error: `Diverged` or `RunLost`, or `None`.
    """

    status: str
    error: Exception | None


def train_group(
    runs: Sequence[Run],
    cfgs: Sequence[DictConfig],
    *,
    members: int | None,
    pruner: Pruner | None = None,
) -> list[Ended]:
    """Train or resume the runs of a `Group`; each writes the files that it would write alone.

    Runs at different updates train one after the other, and so do more runs than `members`.

    Args:
        runs: their run directories.
        cfgs: their configs.
        members: the most runs that train at once, or `None` for as many as memory holds.
        pruner: decides after each validation which runs to stop; they end as `pruned`.

    Raises:
        ConfigError: the config of a run is invalid.
        Interrupted: training was stopped by a signal; all runs can be resumed.
    """
    keep_freed_blocks()
    ended: dict[int, Ended] = {}
    with global_state_restored(), ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked())
        at_step: dict[int, list[int]] = {}
        for n, run in enumerate(runs):
            if run.is_finished:
                ended[n] = Ended("finished", None)
            else:
                at_step.setdefault(find_resume_point(run).step, []).append(n)
        for indices in at_step.values():
            most = members or members_that_fit(cfgs[indices[0]])
            for first in range(0, len(indices), most):
                chunk = indices[first : first + most]
                session = _Session([_open(runs[n], cfgs[n]) for n in chunk], pruner)
                ended |= zip(chunk, session.run(), strict=True)
    return [ended[n] for n in range(len(runs))]


def _open(run: Run, cfg: DictConfig) -> Member:
    point = find_resume_point(run)
    check_changes(cfg, point)
    prepared = prepare(cfg, point)
    if point.file is not None:
        run.check_fingerprint(prepared.experiment.task)
        run.reopen(cfg)
    return Member(run, prepared, point)


class _Session:
    """One training of members that are at the same update, to their end."""

    def __init__(self, members: list[Member], pruner: Pruner | None) -> None:
        self.members = members
        self.pruner = pruner
        self.ensemble = Ensemble(members)
        self.signals = StopSignals()
        self.trained: list[Member] = []
        self.ended: dict[int, Ended] = {}
        self.validated: Snapshot | None = None  # after the last validation

    def run(self) -> list[Ended]:
        """Train, and record in each `run.json` how training ended.

        Raises:
            Interrupted: training was stopped by a signal.
        """
        for m in self.members:
            about = {**facts(m.experiment, "cpu"), "group": len(self.members)}
            m.run.begin(self.ensemble.step, about, m.experiment.task.symbols)
        print_warnings(self.members[0].experiment)
        set_arithmetic(self.members[0].experiment.cfg)
        self.signals.install()
        status = "failed"
        try:
            self._fit()
            self._score_and_write()
        except (Stopped, KeyboardInterrupt, SystemExit) as error:
            status = "interrupted"
            step = min((m.saved_step for m in self.members if m not in self.trained), default=0)
            raise self.signals.interrupted(
                error, f"{saved_at(step)}; the same command goes on"
            ) from error
        finally:
            self.signals.restore()
            for m in self.members:
                if id(m) not in self.ended:
                    self._end(m, status)
        return [self.ended[id(m)] for m in self.members]

    def _fit(self) -> None:
        ensemble, training = self.ensemble, self.ensemble.training
        schedule = SaveSchedule(training.save_every, training.save_minutes)
        self._finish_impatient()
        while ensemble.members and ensemble.step < ensemble.total:
            stop = self.signals.received is not None
            if stop or schedule.is_due(ensemble.step):
                self._save(ensemble.members, ensemble.snapshot())
                schedule.restart()
            if stop:
                raise Stopped
            self._end_diverged(ensemble.update())
            last = ensemble.step == ensemble.total
            if ensemble.members and (last or ensemble.step % training.val_every == 0):
                self._end_diverged(ensemble.validate())
                self.validated = ensemble.snapshot()
                pruned = self._ask_pruner()
                self._finish_impatient()
                if not last:
                    self._prune(pruned)
        self._finish(ensemble.members)
        if self.signals.received is not None:
            raise Stopped

    def _save(self, members: Sequence[Member], snapshot: Snapshot) -> None:
        """Save members; one whose run directory can't be written ends as `failed`."""
        lost = []
        for n, m in enumerate(self.ensemble.members):
            if m in members and m.saved_step < snapshot.step:
                try:
                    m.save(snapshot.checkpoint(n, m, self.ensemble.stacked))
                except OSError as error:
                    self._lose(m, error)
                    lost.append(m)
        self._remove(lost)

    def _finish_impatient(self) -> None:
        self._finish([m for m in self.ensemble.members if m.best.patience_is_over])

    def _finish(self, members: Sequence[Member]) -> None:
        """Save members whose training is over, and drop them from the ensemble."""
        if members:
            self._save(members, self.ensemble.snapshot())
            self.trained += [m for m in members if m in self.ensemble.members]
            self._remove(members)

    def _ask_pruner(self) -> set[str]:
        """Return the names of the runs that the pruner stops."""
        if self.pruner is None or not self.ensemble.members:
            return set()
        scores = {m.run.path.name: m.scores for m in self.ensemble.members}
        return self.pruner(self.ensemble.step, scores)

    def _prune(self, names: set[str]) -> None:
        """Save the runs of these names, and drop them from the ensemble."""
        pruned = [m for m in self.ensemble.members if m.run.path.name in names]
        if pruned:
            self._save(pruned, self.ensemble.snapshot())
            for m in pruned:
                if m in self.ensemble.members:
                    self._end(m, "pruned")
            self._remove(pruned)

    def _end_diverged(self, diverged: list[Divergence]) -> None:
        """Save members that have diverged as of the last validation, and drop them."""
        members = [self.ensemble.members[n] for n, _ in diverged]
        if members and self.validated is not None:
            self._save(members, self.validated)
        for m, (_, message) in zip(members, diverged, strict=True):
            if m in self.ensemble.members:
                with suppress(OSError):
                    m.write()
                error = Diverged(f"{message}; {saved_at(m.saved_step)} in {m.run.path}")
                self._end(m, "diverged", error)
        self._remove(members)

    def _lose(self, m: Member, error: Exception) -> None:
        self._end(m, "failed", RunLost(f"{error}: training stopped, {saved_at(m.saved_step)}"))

    def _remove(self, members: Sequence[Member]) -> None:
        """Drop members from the ensemble."""
        rest = [n for n, m in enumerate(self.ensemble.members) if m not in members]
        if len(rest) < len(self.ensemble.members):
            self.ensemble.keep(rest)
            self.validated = None if self.validated is None else self.validated.keep(rest)

    def _score_and_write(self) -> None:
        """Score the best weights of all finished members, and write their results."""
        finished = []
        for m in self.trained:
            try:
                m.experiment.load_weights(m.run.file(f"checkpoints/{checkpoint.BEST}"))
                finished.append(m)
            except ConfigError as error:
                self._lose(m, error)
        if not finished:
            return
        models = StackedModel([m.experiment.model for m in finished])
        experiments = [m.experiment for m in finished]
        val, test = (score(models, models.flat, experiments, s) for s in ("val", "test"))
        for m, on_val, on_test in zip(finished, val, test, strict=True):
            scores = Scores(on_val.metrics, on_test.metrics, on_test.breakdown)
            try:
                write_results(m.run, m.experiment, scores, m.saved_step, m.events)
                self._end(m, "finished")
            except (OSError, ConfigError) as error:
                self._lose(m, error)

    def _end(self, m: Member, status: str, error: Exception | None = None) -> None:
        with suppress(OSError, ConfigError):  # the run directory may be lost
            m.run.end(status, m.saved_step, m.time_spent, str(error or ""))
        self.ended[id(m)] = Ended(status, error)
