"""Training of a group, from run directories to results: open, fit, score the best weights, write.

Lightning trains one module with one optimizer to one end, but members leave a group between
updates: their patience is over, they are pruned, diverge, or their directory is lost. So groups
have their own loop; all else is shared with `training.train`. A group doesn't save after each
validation: for small networks N checkpoints every time would take a fifth of the whole time.
tests/ensemble/test_training.py compares all files of members with those of single runs.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from omegaconf import DictConfig

from rnnlab.ensemble.ensemble import Divergence, Ensemble
from rnnlab.ensemble.member import Member
from rnnlab.ensemble.memory import keep_freed_blocks, members_that_fit
from rnnlab.ensemble.progress import GroupProgress
from rnnlab.ensemble.scoring import score
from rnnlab.ensemble.snapshot import Snapshot
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.files import checkpoint
from rnnlab.files.group_commit import Deferred, commit, deferred
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
        print_warnings(self.members[0].experiment)
        set_arithmetic(self.members[0].experiment.cfg)
        self.signals.install()
        status = "failed"
        try:
            self._begin()
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
            self._end([m for m in self.members if id(m) not in self.ended], status)
        return [self.ended[id(m)] for m in self.members]

    def _begin(self) -> None:
        """Record in each `run.json` that training began."""

        def begin(m: Member) -> None:
            device = str(self.ensemble.device)
            about = {**facts(m.experiment, device), "group": len(self.members)}
            m.run.begin(self.ensemble.step, about, m.experiment.task.symbols)

        self._remove(self._write_each(self.members, begin))

    def _write_each(
        self, members: Sequence[Member], write: Callable[[Member], None]
    ) -> list[Member]:
        """Let each member write, and flush all that they wrote at once.

        Returns:
            The members that can't be written: they end as `failed`.
        """
        errors: dict[int, Exception] = {}
        written: list[tuple[Member, Deferred]] = []
        try:
            for m in members:
                try:
                    with deferred() as writes:
                        write(m)
                    written.append((m, writes))
                except (OSError, ConfigError) as error:
                    errors[id(m)] = error
        except BaseException:
            for _, writes in written:
                writes.discard()
            raise
        found = commit([writes for _, writes in written])
        errors |= {
            id(m): error for (m, _), error in zip(written, found, strict=True) if error is not None
        }
        lost = [m for m in members if id(m) in errors]
        for m in lost:
            self._lose(m, errors[id(m)])
        return lost

    def _fit(self) -> None:
        ensemble, training = self.ensemble, self.ensemble.training
        schedule = SaveSchedule(training.save_every, training.save_minutes)
        self._finish_impatient()
        first = self.members[0].experiment
        with GroupProgress(
            ensemble.step, ensemble.total, first.cfg.monitor, first.mode
        ) as progress:
            self._update_and_validate(schedule, progress)
        self._finish(ensemble.members)
        if self.signals.received is not None:
            raise Stopped

    def _update_and_validate(self, schedule: SaveSchedule, progress: GroupProgress) -> None:
        ensemble = self.ensemble
        while ensemble.members and ensemble.step < ensemble.total:
            stop = self.signals.received is not None
            if stop or schedule.is_due(ensemble.step):
                self._end_diverged(ensemble.check())
                self._save(ensemble.members, ensemble.snapshot())
                schedule.restart()
            if stop:
                raise Stopped
            diverged = ensemble.update()
            progress.updated(ensemble.step, ensemble.last_loss, ensemble.symbols_per_update)
            self._end_diverged(diverged)
            last = ensemble.step == ensemble.total
            if ensemble.members and (last or ensemble.step % ensemble.training.val_every == 0):
                diverged = ensemble.validate()
                scores = [m.scores[progress.monitor] for m in ensemble.members if m.scores]
                progress.validated(ensemble.step, scores)
                self._end_diverged(diverged)
                self.validated = ensemble.snapshot()
                pruned = self._ask_pruner()
                self._finish_impatient()
                if not last:
                    self._prune(pruned)

    def _save(self, members: Sequence[Member], snapshot: Snapshot) -> None:
        """Save members; one whose run directory can't be written ends as `failed`."""
        position = {id(m): n for n, m in enumerate(self.ensemble.members)}
        behind = [m for m in members if id(m) in position and m.saved_step < snapshot.step]
        contents: dict[int, dict[str, Any]] = {}

        def save(m: Member) -> None:
            content = snapshot.checkpoint(position[id(m)], m, self.ensemble.stacked)
            m.save(content)
            contents[id(m)] = {key: content[key] for key in ("global_step", "costs")}

        lost = self._write_each(behind, save)
        for m in behind:
            if m not in lost:
                m.has_saved(contents[id(m)])
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
            self._end([m for m in pruned if m in self.ensemble.members], "pruned")
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
                self._end([m], "diverged", error)
        self._remove(members)

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
        models = StackedModel([m.experiment.model for m in finished], self.ensemble.device)
        experiments = [m.experiment for m in finished]
        val, test = (score(models, models.flat, experiments, s) for s in ("val", "test"))
        scores = {
            id(m): Scores(on_val.metrics, on_test.metrics, on_test.breakdown)
            for m, on_val, on_test in zip(finished, val, test, strict=True)
        }

        def write(m: Member) -> None:
            write_results(m.run, m.experiment, scores[id(m)], m.saved_step, m.events)

        lost = self._write_each(finished, write)
        self._end([m for m in finished if m not in lost], "finished")

    def _lose(self, m: Member, error: Exception) -> None:
        lost = RunLost(f"{error}: training stopped, {saved_at(m.saved_step)}")
        self._end([m], "failed", lost)

    def _end(self, members: Sequence[Member], status: str, error: Exception | None = None) -> None:
        """Record the end of members' training, as far as their directories can be written."""
        written = []
        for m in members:
            with suppress(OSError, ConfigError), deferred() as writes:
                m.run.end(status, m.saved_step, m.time_spent, str(error or ""))
                written.append(writes)
            self.ended[id(m)] = Ended(status, error)
        commit(written)
