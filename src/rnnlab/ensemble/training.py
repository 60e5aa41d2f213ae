"""Training of groups, read top to bottom: open, fit, score the best weights, write."""

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import torch
from omegaconf import DictConfig

from rnnlab.ensemble.member import Member
from rnnlab.ensemble.members import Members, Trouble
from rnnlab.ensemble.memory import keep_freed_blocks, members_that_fit
from rnnlab.ensemble.scoring import score
from rnnlab.ensemble.snapshot import Snapshot
from rnnlab.ensemble.stacking import Stacked
from rnnlab.errors import INTERRUPTED, TERMINATED, Interrupted
from rnnlab.files import checkpoint
from rnnlab.process.global_state import global_state_restored
from rnnlab.runs.run import Run
from rnnlab.training.prepare import facts, prepare, print_warnings
from rnnlab.training.results import Scores, write_results
from rnnlab.training.resume_point import check_changes, find_resume_point
from rnnlab.training.stopping import Pruner, Stopped, StopSignals


class Ended(NamedTuple):
    """How a member's training ended: as its run card says, and what went wrong."""

    status: str
    error: str | None


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
        self.safe: Snapshot | None = None

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
            terminated = TERMINATED in (
                getattr(error, "code", None),
                128 + (self.signals.received or 0),
            )
            step = min((m.saved_step for m in self.members if m not in self.trained), default=0)
            saved = f"saved at update {step}" if step else "nothing saved yet"
            raise Interrupted(
                f"{'terminated' if terminated else 'interrupted'}, {saved}; the same command goes "
                "on",
                TERMINATED if terminated else INTERRUPTED,
            ) from error
        finally:
            self.signals.restore()
            for m in self.members:
                if id(m) not in self.ended:
                    self._end(m, status, None)
        return [self.ended[id(m)] for m in self.members]

    def _fit(self) -> None:
        group, training = self.group, self.group.training
        every, minutes = training.save_every, training.save_minutes
        self._let_go(n for n, m in enumerate(group.members) if m.out_of_patience)
        saved_at = time.monotonic()
        while group.members and group.step < group.total:
            told = self.signals.received is not None
            due = every is not None and group.step > 0 and group.step % every == 0
            late = minutes is not None and time.monotonic() - saved_at > minutes * 60
            if told or due or late:
                self._save(range(len(group.members)), group.snapshot())
                saved_at = time.monotonic()
            if told:
                raise Stopped
            self._drop(group.update())
            last = group.step == group.total
            if group.members and (last or group.step % training.val_every == 0):
                self._drop(group.validate())
                self.safe = group.snapshot()
                hopeless = self._hopeless()
                self._let_go(n for n, m in enumerate(group.members) if m.out_of_patience)
                if not last:
                    self._prune(hopeless)
        self._let_go(range(len(group.members)))
        if self.signals.received is not None:
            raise Stopped

    def _save(self, which: Iterable[int], snapshot: Snapshot) -> None:
        for n in which:
            m = self.group.members[n]
            if m.saved_step < snapshot.step:
                m.save(snapshot.checkpoint(n, m, self.group.stacked))

    def _let_go(self, which: Iterable[int]) -> None:
        """Take members out whose training is over."""
        done = list(which)
        if done:
            self._save(done, self.group.snapshot())
            self.trained += [self.group.members[n] for n in done]
            self._keep_others(done)

    def _hopeless(self) -> set[str]:
        """Ask the pruner, and give the names of those who should stop."""
        if self.pruner is None or not self.group.members:
            return set()
        scores = {m.run.path.name: m.scores for m in self.group.members}
        return self.pruner(self.group.step, scores)

    def _prune(self, names: set[str]) -> None:
        """Take out members that others have left behind, saved as they are."""
        gone = [n for n, m in enumerate(self.group.members) if m.run.path.name in names]
        if gone:
            self._save(gone, self.group.snapshot())
            for n in gone:
                self._end(self.group.members[n], "pruned", None)
            self._keep_others(gone)

    def _drop(self, trouble: list[Trouble]) -> None:
        """Take out members that have diverged, saved as they were at the last validation."""
        for n, error in trouble:
            m = self.group.members[n]
            if self.safe is None:
                m.write()
            else:
                self._save([n], self.safe)
            where = f"saved at update {m.saved_step}" if m.saved_step else "nothing saved yet"
            self._end(m, "diverged", f"{error}; {where} in {m.run.path}")
        if trouble:
            self._keep_others([n for n, _ in trouble])

    def _keep_others(self, gone: list[int]) -> None:
        rest = [n for n in range(len(self.group.members)) if n not in set(gone)]
        self.group.keep(rest)
        self.safe = None if self.safe is None else self.safe.keep(rest)

    def _score_and_write(self) -> None:
        """Score the best weights of all whose training is over, and write everything down."""
        if not self.trained:
            return
        for m in self.trained:
            m.experiment.load_weights(m.run.file(f"checkpoints/{checkpoint.BEST}"))
        models = Stacked([m.experiment.model for m in self.trained])
        experiments = [m.experiment for m in self.trained]
        val, test = (score(models, models.flat, experiments, s) for s in ("val", "test"))
        for m, on_val, on_test in zip(self.trained, val, test, strict=True):
            scores = Scores(on_val.values, on_test.values, on_test.breakdown)
            write_results(m.run, m.experiment, scores, m.saved_step, m.events)
            self._end(m, "finished", None)

    def _end(self, m: Member, status: str, error: str | None) -> None:
        m.run.end(status, m.saved_step, m.spent, error or "")
        self.ended[id(m)] = Ended(status, error)
