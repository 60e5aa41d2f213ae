"""Jobs of a sweep in worker processes: what is sent to a worker, and how workers are stopped."""

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
from rnnlab.sweeps import progress
from rnnlab.sweeps.compose_jobs import Composer
from rnnlab.sweeps.jobs import Job, format_overrides, make_job, read_failure

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class WorkItem:
    """A job with what a worker process needs to run it; workers receive it pickled.

    Attributes:
        job: the job.
        label: its number in the sweep, or `trial N` in a search.
        varied: its overrides that differ from job to job, formatted for display.
        on_error: `continue` or `stop`.
        command: the command line of the sweep, recorded in `run.json`.
    """

    job: Job
    label: str
    varied: str
    on_error: str
    command: tuple[str, ...]

    def run_here(self, *, dry_run: bool = False) -> None:
        """Run the job in this process, as the basic launcher does."""
        title = f"{self.label}  {self.varied}"
        progress.run_job(self.job, title, on_error=self.on_error, dry_run=dry_run)

    @guarded()
    def run_in_worker(self) -> bool:
        """Run the job in a worker process, where SIGTERM makes it save and stop.

        Returns:
            True if the job finished or failed, False if it was stopped.
        """
        sys.argv = list(self.command)
        before = signal.signal(signal.SIGTERM, _terminate)
        try:
            self.run_here()
        except (KeyboardInterrupt, SystemExit) as error:
            note(str(error) if isinstance(error, Interrupted) else "stopped")
            return False
        finally:
            signal.signal(signal.SIGTERM, before)
        return True

    def print_outcome(self) -> None:
        """Print the job's status, for launchers whose workers write to log files."""
        failure = read_failure(self.job.sweep, self.job.name)
        has_begun = (self.job.path / "config.yaml").is_file()
        try:
            outcome = Run.load(self.job.path).status if has_begun else "not begun"
        except ConfigError as error:
            outcome = str(error)
        if failure:
            outcome = f"{failure['status']}: {failure['error']}"
        note(f"{self.job.name}  {self.label}  {self.varied}: {outcome}")

    @property
    def threads(self) -> int:
        """Number of compute threads; 1 where `threads` is invalid, which running it reports."""
        threads = self.job.cfg.threads
        return max(threads, 1) if isinstance(threads, int) else 1

    @property
    def on_gpu(self) -> bool:
        """Whether the job needs a GPU."""
        return bool(self.job.cfg.trainer.accelerator == "gpu")


def make_items(
    loader: ConfigLoader,
    sweep_config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    *,
    absolute: bool,
) -> tuple[list[WorkItem], bool]:
    """Compose the jobs of a sweep.

    Args:
        loader: Hydra's config loader.
        sweep_config: Hydra's config of the whole sweep.
        job_overrides: the overrides of each job.
        first: number of the first job, from 0.
        absolute: whether run directories are absolute paths, for workers in another directory.

    Returns:
        The items, and whether this is a dry run.

    Raises:
        ConfigError: a job can't be composed.
    """
    directory = Path(sweep_config.hydra.sweep.dir) / sweep_config.hydra.sweep.subdir
    directory = directory.absolute() if absolute else directory
    fixed, compose = progress.fixed_keys(sys.argv[1:]), Composer(loader, sweep_config)
    items, dry_run = [], False
    for number, overrides in enumerate(job_overrides, first + 1):
        job, options = make_job(*compose(overrides), directory)
        progress.check_on_error(options.on_error)
        varied = format_overrides(job.overrides, [key for key in job.overrides if key not in fixed])
        label = f"trial {job.trial.number}" if job.trial else str(number)
        items.append(WorkItem(job, label, varied, options.on_error, tuple(sys.argv)))
        dry_run = dry_run or options.dry_run
    return items, dry_run


@contextmanager
def stop_on_signals(request_stop: Callable[[], None]) -> Iterator[None]:
    """Call `request_stop` at the first SIGINT or SIGTERM; a second one stops at once.

    Raises:
        Interrupted: a signal was received; raised after the block has ended.
    """
    received: list[int] = []

    def receive(number: int, _: Any) -> None:
        if received:
            raise SystemExit(TERMINATED) if number == signal.SIGTERM else KeyboardInterrupt
        received.append(number)
        note("\nstopping all jobs; once more stops at once")
        request_stop()

    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        verb, status = "interrupted", INTERRUPTED
        if received[0] == signal.SIGTERM:
            verb, status = "terminated", TERMINATED
        raise Interrupted(f"{verb}; the same command goes on with what is left", status)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM; processes started in the block inherit that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class WorkerPool:
    """State that the worker processes of a sweep on one machine share.

    Attributes:
        directory: a private directory for lock and marker files.
        parent_pid: the process that started the workers.
        devices: values for CUDA_VISIBLE_DEVICES, assigned to the workers in turn.
    """

    directory: Path
    parent_pid: int
    devices: Sequence[str]

    @property
    def stop_file(self) -> Path:
        """File whose existence tells the workers to stop."""
        return self.directory / "stop"

    def take_lost_jobs(self) -> set[str]:
        """Return the names of jobs whose worker died while running them, and forget them."""
        marks = list(self.directory.glob("*.running"))
        for mark in marks:
            mark.unlink()
        return {mark.stem for mark in marks}

    def run(self, item: WorkItem) -> bool:
        """Run a job in the current worker process; False if it was stopped."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the parent forwards them by `stop_file`
        if self._should_stop():
            return False
        index = _worker_index(self.directory)
        if self.devices:  # CUDA reads the variable once, when it is first used
            os.environ["CUDA_VISIBLE_DEVICES"] = self.devices[index % len(self.devices)]
        mark = self.directory / f"{item.job.name}.running"
        mark.touch()
        try:
            with prefixed_lines(item.label), terminate_when(self._should_stop):
                return item.run_in_worker()
        finally:
            mark.unlink(missing_ok=True)
            if self._is_orphaned():
                os._exit(1)  # nobody is left to receive the result or to end this worker

    def _should_stop(self) -> bool:
        return self.stop_file.exists() or self._is_orphaned()

    def _is_orphaned(self) -> bool:
        return os.getppid() != self.parent_pid


@contextmanager
def terminate_when(condition: Callable[[], bool]) -> Iterator[None]:
    """Raise SIGTERM in this process as soon as a condition, which is polled, holds."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_SECONDS):
            if condition():
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
def _worker_index(directory: Path) -> int:
    """Return the lowest index that no other living worker holds; kept until the process ends."""
    index = 0
    while True:
        lock = FileLock(directory / f"{index}.worker", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            index += 1
        else:
            _LOCKS.append(lock)
            return index


_LOCKS: list[Any] = []  # a lock is released when its object is collected


@contextmanager
def prefixed_lines(label: str) -> Iterator[None]:
    """Prefix each printed line with `[label]`, since jobs side by side share a terminal."""
    with (
        guarded(),
        redirect_stdout(_LinePrefixer(sys.stdout, label)),
        redirect_stderr(_LinePrefixer(sys.stderr, label)),
    ):
        yield


class _LinePrefixer(io.TextIOBase):
    """Writes whole non-empty lines, prefixed; not a terminal, so progress bars are off."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self._stream, self._label, self._partial = stream, label, ""

    def write(self, text: str) -> int:
        *lines, self._partial = (self._partial + text).split("\n")
        whole = "".join(f"[{self._label}] {line}\n" for line in lines if line)
        if whole:
            self._stream.write(whole)
            self._stream.flush()
        return len(text)


def _terminate(*_: object) -> None:
    sys.exit(TERMINATED)
