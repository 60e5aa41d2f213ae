"""`hydra/launcher=submitit_slurm` and `submitit_local`: jobs on Slurm, or the same way here."""

import _thread
import os
import shutil
import signal
import threading
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base import ParallelLauncher, num_processors

if TYPE_CHECKING:
    from rnnlab.sweeps.workers import WorkItem

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class SubmittedJob:
    """Function that submitit calls in the submitted process.

    Attributes:
        stop_file: file whose existence stops the job, or `None` where Slurm signals it.
    """

    stop_file: Path | None

    def __call__(self, item: "WorkItem") -> bool:
        """Run the job; at the timeout or preemption signal save first, then requeue."""
        from rnnlab.sweeps.workers import terminate_when

        preempt = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        requeue = signal.getsignal(preempt)  # submitit's handler
        received: list[int] = []

        def receive(number: int, _: Any) -> None:
            received.append(number)
            _thread.interrupt_main(signal.SIGTERM)

        signal.signal(preempt, receive)
        with ExitStack() as stack:
            if self.stop_file is not None:
                stack.enter_context(terminate_when(self.stop_file.exists))
            ended = item.run_in_worker()
        if received and not ended and callable(requeue):
            requeue(preempt, None)  # ends the process
        return ended

    def checkpoint(self, item: "WorkItem") -> Any:
        """Return the submission for the requeued job: the same one, which resumes the run."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, item)


class SubmititLauncher(ParallelLauncher):
    """Submits jobs with submitit, and waits for them.

    Args:
        timeout_min: minutes after which a job saves and is requeued.
        max_num_timeout: how often a job may time out.
        signal_delay_s: seconds before the timeout at which a job is signalled to save.
        array_parallelism: the most jobs at a time.
    """

    package = "submitit"

    def __init__(
        self, *, timeout_min: int, max_num_timeout: int, signal_delay_s: int, array_parallelism: Any
    ) -> None:
        self.timeout_min, self.max_num_timeout = timeout_min, max_num_timeout
        self.signal_delay_s, self.array_parallelism = signal_delay_s, array_parallelism

    def check(self) -> None:
        """Refuse a `signal_delay_s` that leaves no time to train."""
        from rnnlab.errors import ConfigError

        if not 0 < self.signal_delay_s < self.timeout_min * 60:
            raise ConfigError(
                "hydra.launcher.signal_delay_s must be more than 0 and less than timeout_min, "
                f"got {self.signal_delay_s}"
            )

    def run_in_workers(self, items: "list[WorkItem]") -> None:
        """Run the jobs; one whose process ends without a result fails."""
        from rnnlab.process.output import note
        from rnnlab.sweeps.jobs import record_failure
        from rnnlab.sweeps.workers import stop_on_signals

        folder = items[0].job.sweep / ".submitit"
        executor = self.executor(folder / "%j", items)
        note(f"\n{len(items)} jobs; what they print is in {folder}")
        stop_file = folder / f"{os.getpid()}.stop"
        stop_file.unlink(missing_ok=True)
        stop = threading.Event()
        waiting, running = list(items), dict[Any, "WorkItem"]()
        with stop_on_signals(stop.set):
            while running or (waiting and not stop.is_set()):
                room = max(self.max_submitted(items) - len(running), 0)
                now, waiting = waiting[:room], waiting[room:]
                if now:
                    running |= zip(self.submit(executor, now, stop_file), now, strict=True)
                for submitted in [submitted for submitted in running if submitted.done()]:
                    item = running.pop(submitted)
                    if not stop.is_set() and (error := submitted.exception()):
                        record_failure(item.job, error)
                    item.print_outcome()
                if stop.is_set() and not stop_file.exists():
                    stop_file.touch()
                    waiting.clear()
                    self.cancel(running)
                time.sleep(_POLL_SECONDS)
        stop_file.unlink(missing_ok=True)

    def max_submitted(self, items: "Sequence[WorkItem]") -> int:
        """The most jobs that are submitted at a time."""
        return len(items)

    @abstractmethod
    def executor(self, folder: Path, items: "Sequence[WorkItem]") -> Any:
        """Make submitit's executor with the resources that the jobs need."""

    @abstractmethod
    def submit(self, executor: Any, items: "Sequence[WorkItem]", stop_file: Path) -> list[Any]:
        """Submit jobs, and return submitit's handles of them."""

    def cancel(self, submitted: Iterable[Any]) -> None:
        """Stop submitted jobs; not needed where they watch the stop file."""


class SlurmLauncher(SubmititLauncher):
    """Submits to Slurm; an option that is null is left to Slurm.

    Args:
        timeout_min: and the next three as for `SubmititLauncher`.
        cpus_per_task: processors of a job; null for the config's `threads`.
        gpus_per_node: GPUs of a job; null for 1 with `trainer=gpu`.
        mem_gb: memory of a job in GB.
        partition: and `account`, `qos`, `constraint`: as for sbatch.
        setup: shell commands to run before the job.
        additional_parameters: any other options of sbatch.
    """

    def __init__(
        self,
        *,
        timeout_min: int,
        max_num_timeout: int,
        signal_delay_s: int,
        array_parallelism: int,
        cpus_per_task: int | None,
        gpus_per_node: int | None,
        mem_gb: float | None,
        partition: str | None,
        account: str | None,
        qos: str | None,
        constraint: str | None,
        setup: Sequence[str] | None,
        additional_parameters: Mapping[str, Any],
    ) -> None:
        super().__init__(
            timeout_min=timeout_min,
            max_num_timeout=max_num_timeout,
            signal_delay_s=signal_delay_s,
            array_parallelism=array_parallelism,
        )
        self.cpus_per_task, self.gpus_per_node, self.mem_gb = cpus_per_task, gpus_per_node, mem_gb
        self.slurm_options = {
            "array_parallelism": array_parallelism,
            "partition": partition,
            "account": account,
            "qos": qos,
            "constraint": constraint,
            "setup": None if setup is None else list(setup),
            "additional_parameters": dict(additional_parameters),
        }

    def check(self) -> None:
        """Refuse a machine without Slurm, too."""
        from rnnlab.errors import ConfigError

        super().check()
        missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
        if missing:
            raise ConfigError(
                f"hydra/launcher=submitit_slurm needs {' and '.join(missing)}, which this machine "
                "doesn't have: run it where Slurm is"
            )

    def executor(self, folder: Path, items: "Sequence[WorkItem]") -> Any:
        """Make submitit's executor."""
        from submitit import AutoExecutor

        threads = max(item.threads for item in items)
        gpus = 1 if any(item.on_gpu for item in items) else None
        executor = AutoExecutor(folder, "slurm", slurm_max_num_timeout=self.max_num_timeout)
        executor.update_parameters(
            name="rnnlab",
            timeout_min=self.timeout_min,
            slurm_signal_delay_s=self.signal_delay_s,
            cpus_per_task=threads if self.cpus_per_task is None else self.cpus_per_task,
            gpus_per_node=gpus if self.gpus_per_node is None else self.gpus_per_node,
            mem_gb=self.mem_gb,
            **{f"slurm_{key}": value for key, value in self.slurm_options.items()},
        )
        return executor

    def submit(
        self,
        executor: Any,
        items: "Sequence[WorkItem]",
        stop_file: Path,  # noqa: ARG002
    ) -> list[Any]:
        """Submit the jobs as one job array."""
        return list(executor.map_array(SubmittedJob(None), items))

    def cancel(self, submitted: Iterable[Any]) -> None:
        """Cancel the jobs with scancel, which sends SIGTERM first."""
        for job in submitted:
            job.cancel(check=False)


class LocalLauncher(SubmititLauncher):
    """Runs submitit's jobs on this machine, to try it without Slurm; `joblib` is faster."""

    def check(self) -> None:
        """Refuse an invalid `array_parallelism`, too."""
        from rnnlab.errors import ConfigError

        super().check()
        most = self.array_parallelism
        if most != "auto" and not (type(most) is int and most > 0):
            raise ConfigError(
                f"hydra.launcher.array_parallelism must be auto or 1 or more, got {most!r}"
            )

    def max_submitted(self, items: "Sequence[WorkItem]") -> int:
        """The most jobs that run at a time."""
        if self.array_parallelism != "auto":
            return int(self.array_parallelism)
        return max(num_processors() // max(item.threads for item in items), 1)

    def executor(self, folder: Path, items: "Sequence[WorkItem]") -> Any:
        """Make submitit's executor."""
        from submitit import LocalExecutor

        executor = LocalExecutor(folder, max_num_timeout=self.max_num_timeout)
        executor.update_parameters(
            timeout_min=self.timeout_min,
            signal_delay_s=self.signal_delay_s,
            gpus_per_node=int(any(item.on_gpu for item in items)),
        )
        return executor

    def submit(self, executor: Any, items: "Sequence[WorkItem]", stop_file: Path) -> list[Any]:
        """Start a process for each job, with signals blocked: it watches the stop file."""
        from rnnlab.sweeps.workers import signals_blocked

        with signals_blocked():
            return [executor.submit(SubmittedJob(stop_file), item) for item in items]
