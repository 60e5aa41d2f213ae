"""Training of groups, read top to bottom: open, fit, score the best weights, write.

It has a loop of its own, as Lightning trains one module with one optimizer to one end, while the
members of a group leave it between updates: out of patience, pruned, diverged, or with a directory
that is lost. What runs and groups have in common is shared: how a run is prepared, its best
weights and patience, when to save, what is said of divergence, the results. A group doesn't save at
each validation: N checkpoints every time would take a fifth of its time where the networks are
small. tests/ensemble/test_training.py holds all that a member leaves equal to what its run alone
leaves.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple

import torch
from omegaconf import DictConfig

from rnnlab.ensemble.member import Member
from rnnlab.ensemble.members import Divergence, Members
from rnnlab.ensemble.memory import keep_freed_blocks, members_that_fit
from rnnlab.ensemble.scoring import score
from rnnlab.ensemble.snapshot import Snapshot
from rnnlab.ensemble.stacking import Stacked
from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.files import checkpoint
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
        error: `Diverged` or `RunLost` if that ended it.
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
    """Train runs that `joinable` put in one group, or go on with them.

    Each leaves in its directory what it would have left alone. Runs that are at different updates
    go on one group after the other, and so do more runs than fit at once.

    Args:
        runs: their directories, with a config in each.
        cfgs: their settings.
        members: how many to train at once; `None` for as many as memory holds.
        pruner: asked after each validation who should stop; such a run ends as `pruned`.

    Raises:
        ConfigError: one can't be trained so.
        Interrupted: training was told to stop; all are saved, and can go on later.
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
        for alike in at_step.values():
            most = members or members_that_fit(cfgs[alike[0]])
            for first in range(0, len(alike), most):
                chunk = alike[first : first + most]
                session = _Session([_open(runs[n], cfgs[n]) for n in chunk], pruner)
                ended |= zip(chunk, session.run(), strict=True)
    return [ended[n] for n in range(len(runs))]


def _open(run: Run, cfg: DictConfig) -> Member:
    at = find_resume_point(run)
    check_changes(cfg, at)
    prepared = prepare(cfg, at)
    if at.file is not None:
        run.check_fingerprint(prepared.experiment.task)
        run.reopen(cfg)
    return Member(run, prepared, at)


class _Session:
    """One training of a group, from where it is to its end.

    Args:
        members: all at the same update.
        pruner: of those that should stop.
    """

    def __init__(self, members: list[Member], pruner: Pruner | None) -> None:
        self.members = members
        self.pruner = pruner
        self.group = Members(members)
        self.signals = StopSignals()
        self.trained: list[Member] = []
        self.ended: dict[int, Ended] = {}
        self.validated: Snapshot | None = None  # as all were at the last validation

    def run(self) -> list[Ended]:
        """Train, and write down how it ended.

        Raises:
            Interrupted: training was told to stop.
        """
        for m in self.members:
            about = {**facts(m.experiment, "cpu"), "group": len(self.members)}
            m.run.begin(self.group.step, about, m.experiment.task.meanings())
        print_warnings(self.members[0].experiment)
        torch.set_num_threads(self.members[0].experiment.cfg.threads)
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
        group, training = self.group, self.group.training
        schedule = SaveSchedule(training.save_every, training.save_minutes)
        self._finish_impatient()
        while group.members and group.step < group.total:
            stop = self.signals.received is not None
            if stop or schedule.is_due(group.step):
                self._save(group.members, group.snapshot())
                schedule.restart()
            if stop:
                raise Stopped
            self._end_diverged(group.update())
            last = group.step == group.total
            if group.members and (last or group.step % training.val_every == 0):
                self._end_diverged(group.validate())
                self.validated = group.snapshot()
                pruned = self._ask_pruner()
                self._finish_impatient()
                if not last:
                    self._prune(pruned)
        self._finish(group.members)
        if self.signals.received is not None:
            raise Stopped

    def _save(self, members: Sequence[Member], snapshot: Snapshot) -> None:
        """Write the checkpoints of members; one whose directory can't be written ends."""
        lost = []
        for n, m in enumerate(self.group.members):
            if m in members and m.saved_step < snapshot.step:
                try:
                    m.save(snapshot.checkpoint(n, m, self.group.stacked))
                except OSError as error:
                    self._lose(m, error)
                    lost.append(m)
        self._remove(lost)

    def _finish_impatient(self) -> None:
        self._finish([m for m in self.group.members if m.best.patience_is_over])

    def _finish(self, members: Sequence[Member]) -> None:
        """Save members whose training is over, and take them out of the group."""
        if members:
            self._save(members, self.group.snapshot())
            self.trained += [m for m in members if m in self.group.members]
            self._remove(members)

    def _ask_pruner(self) -> set[str]:
        """Return the names of the runs that the pruner stops."""
        if self.pruner is None or not self.group.members:
            return set()
        scores = {m.run.path.name: m.scores for m in self.group.members}
        return self.pruner(self.group.step, scores)

    def _prune(self, names: set[str]) -> None:
        """Save the runs of these names, and take them out of the group."""
        pruned = [m for m in self.group.members if m.run.path.name in names]
        if pruned:
            self._save(pruned, self.group.snapshot())
            for m in pruned:
                if m in self.group.members:
                    self._end(m, "pruned")
            self._remove(pruned)

    def _end_diverged(self, diverged: list[Divergence]) -> None:
        """End members that have diverged, saved as they were at the last validation."""
        members = [self.group.members[n] for n, _ in diverged]
        if members and self.validated is not None:
            self._save(members, self.validated)
        for m, (_, message) in zip(members, diverged, strict=True):
            if m in self.group.members:
                with suppress(OSError):
                    m.write()
                error = Diverged(f"{message}; {saved_at(m.saved_step)} in {m.run.path}")
                self._end(m, "diverged", error)
        self._remove(members)

    def _lose(self, m: Member, error: Exception) -> None:
        self._end(m, "failed", RunLost(f"{error}: training stopped, {saved_at(m.saved_step)}"))

    def _remove(self, members: Sequence[Member]) -> None:
        """Let the group go on without these members."""
        rest = [n for n, m in enumerate(self.group.members) if m not in members]
        if len(rest) < len(self.group.members):
            self.group.keep(rest)
            self.validated = None if self.validated is None else self.validated.keep(rest)

    def _score_and_write(self) -> None:
        """Score the best weights of all members that have finished, and write their results."""
        finished = []
        for m in self.trained:
            try:
                m.experiment.load_weights(m.run.file(f"checkpoints/{checkpoint.BEST}"))
                finished.append(m)
            except ConfigError as error:
                self._lose(m, error)
        if not finished:
            return
        models = Stacked([m.experiment.model for m in finished])
        experiments = [m.experiment for m in finished]
        val, test = (score(models, models.flat, experiments, s) for s in ("val", "test"))
        for m, on_val, on_test in zip(finished, val, test, strict=True):
            scores = Scores(on_val.values, on_test.values, on_test.breakdown)
            try:
                write_results(m.run, m.experiment, scores, m.saved_step, m.events)
                self._end(m, "finished")
            except OSError as error:
                self._lose(m, error)

    def _end(self, m: Member, status: str, error: Exception | None = None) -> None:
        with suppress(OSError, ConfigError):  # of a directory that is lost
            m.run.end(status, m.saved_step, m.spent, str(error or ""))
        self.ended[id(m)] = Ended(status, error)
