"""Jobs of a sweep done by other processes: what each is told, and how all of them are stopped."""

import _thread
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from rnnlab.errors import INTERRUPTED, TERMINATED, ConfigError, Interrupted
from rnnlab.process.output import guarded, note
from rnnlab.runs.run import Run
from rnnlab.sweep import progress as sweeps
from rnnlab.sweep.compose_jobs import Composer
from rnnlab.sweep.jobs import Job, failure, job_of, spell

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Order:
    """A job for another process, which reads it from a pickle.

    Attributes:
        job: what to do.
        number: of the job in its sweep, or of its trial.
        words: what it has of its own.
        on_error: `continue` or `stop`.
        command: the command line of the sweep, for the run card.
    """

    job: Job
    number: str
    words: str
    on_error: str
    command: tuple[str, ...]

    def here(self, *, dry_run: bool = False) -> None:
        """Do it in this process, as the basic launcher does."""
        label = f"{self.number}  {self.words}"
        sweeps.do(self.job, label, on_error=self.on_error, dry_run=dry_run)

    @guarded()
    def __call__(self) -> bool:
        """Do it in a process of its own.

        Returns:
            Whether it came to an end, good or bad, and was not stopped.
        """
        sys.argv = list(self.command)
        before = signal.signal(signal.SIGTERM, _terminate)
        try:
            self.here()
        except (KeyboardInterrupt, SystemExit) as error:
            text = str(error) if isinstance(error, Interrupted) else "stopped"
            note(text)
            return False
        finally:
            signal.signal(signal.SIGTERM, before)
        return True

    def tell(self) -> None:
        """Say what came of it, if the process that did it speaks to nobody."""
        why = failure(self.job.sweep, self.job.name)
        there = (self.job.path / "config.yaml").is_file()
        try:
            how = Run.load(self.job.path).status if there else "not begun"
        except ConfigError as error:
            how = str(error)
        how = f"{why['status']}: {why['error']}" if why else how
        note(f"{self.job.name}  {self.number}  {self.words}: {how}")

    @property
    def threads(self) -> int:
        """How many threads it computes with; of a wrong number the job itself will tell."""
        threads = self.job.cfg.threads
        return max(threads, 1) if isinstance(threads, int) else 1

    @property
    def on_gpu(self) -> bool:
        """Whether it needs a device."""
        return bool(self.job.cfg.trainer.accelerator == "gpu")


def orders_of(
    loader: ConfigLoader,
    master: DictConfig,
    sweep: Sequence[Sequence[str]],
    first: int,
    *,
    elsewhere: bool,
) -> list[tuple[Order, bool]]:
    """Compose the jobs of a sweep; with each goes whether it is a dry run.

    Args:
        loader: Hydra's.
        master: the config of the sweep.
        sweep: the words of each job.
        first: the number of the first one, from 0.
        elsewhere: whether they may be done in another working directory.

    Raises:
        ConfigError: a job can't be composed.
    """
    directory = Path(master.hydra.sweep.dir) / master.hydra.sweep.subdir
    directory = directory.absolute() if elsewhere else directory
    fixed, compose = sweeps.fixed(sys.argv[1:]), Composer(loader, master)
    found = []
    for number, words in enumerate(sweep, first + 1):
        job, own = job_of(*compose(words), directory)
        sweeps.check_on_error(own["on_error"])
        varied = spell(job.words, [key for key in job.words if key not in fixed])
        title = f"trial {job.trial.number}" if job.trial else str(number)
        order = Order(job, title, varied, own["on_error"], tuple(sys.argv))
        found.append((order, own["dry_run"]))
    return found


@contextmanager
def stoppable(wish: Callable[[], None]) -> Iterator[None]:
    """Take the first SIGINT or SIGTERM as a wish to stop in order, and the second as an order.

    Raises:
        Interrupted: it was wished.
    """
    received: list[int] = []

    def receive(number: int, _: Any) -> None:
        if received:
            raise SystemExit(TERMINATED) if number == signal.SIGTERM else KeyboardInterrupt
        received.append(number)
        note("\nstopping all jobs; once more stops at once")
        wish()

    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        said, status = "interrupted", INTERRUPTED
        if received[0] == signal.SIGTERM:
            said, status = "terminated", TERMINATED
        raise Interrupted(f"{said}; the same command goes on with what is left", status)


@contextmanager
def deaf() -> Iterator[None]:
    """Let processes that are started meanwhile hear neither signal: they are told otherwise."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class Office:
    """What the workers of one sweep on one machine share.

    Attributes:
        directory: one for them alone.
        boss: the process that started them.
        devices: what CUDA_VISIBLE_DEVICES may name; they are dealt to the workers in turn.
    """

    directory: Path
    boss: int
    devices: Sequence[str]

    @property
    def closed(self) -> Path:
        """A file that tells the workers to stop."""
        return self.directory / "closed"

    def take_begun(self) -> set[str]:
        """Give the names of the jobs whose workers are gone, and forget them."""
        marks = list(self.directory.glob("*.begun"))
        for mark in marks:
            mark.unlink()
        return {mark.stem for mark in marks}

    def do(self, order: Order) -> bool:
        """Do a job in one of the workers; tells whether it came to its end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the boss hears them, and tells us
        if self._must_stop():
            return False
        seat = _seat(self.directory)
        if self.devices:  # before CUDA is touched, for it looks once
            os.environ["CUDA_VISIBLE_DEVICES"] = self.devices[seat % len(self.devices)]
        mark = self.directory / f"{order.job.name}.begun"
        mark.touch()
        try:
            with labelled(order.number), stopped_when(self._must_stop):
                return order()
        finally:
            mark.unlink(missing_ok=True)
            if self._is_deserted():
                os._exit(1)  # nobody waits for an answer, nor sends us home

    def _must_stop(self) -> bool:
        return self.closed.exists() or self._is_deserted()

    def _is_deserted(self) -> bool:
        return os.getppid() != self.boss


@contextmanager
def stopped_when(is_so: Callable[[], bool]) -> Iterator[None]:
    """Stop what this process does, as SIGTERM would, as soon as something is so."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_SECONDS):
            if is_so():
                _thread.interrupt_main(signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@cache
def _seat(directory: Path) -> int:
    """Find a number that no other worker has, for as long as this process lives."""
    number = 0
    while True:
        lock = FileLock(directory / f"{number}.seat", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            number += 1
        else:
            _LOCKS.append(lock)
            return number


_LOCKS: list[Any] = []  # a lock goes when nobody holds the object


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Begin each line that is printed with a label: jobs side by side share a terminal."""
    with (
        guarded(),
        redirect_stdout(_Labelled(sys.stdout, label)),
        redirect_stderr(_Labelled(sys.stderr, label)),
    ):
        yield


class _Labelled(io.TextIOBase):
    """Passes on whole lines, and none that is empty; it is no terminal, so there are no bars."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self._stream, self._label, self._rest = stream, label, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        whole = "".join(f"[{self._label}] {line}\n" for line in lines if line)
        if whole:
            self._stream.write(whole)
            self._stream.flush()
        return len(text)


def _terminate(*_: object) -> None:
    sys.exit(TERMINATED)
