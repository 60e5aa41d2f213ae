"""`hydra/launcher=submitit_slurm`: jobs of Slurm's; `submitit_local`: the same way, but here."""

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

from .base import ParallelLauncher, processors

if TYPE_CHECKING:
    from rnnlab.sweep.workers import Order

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Doing:
    """What a submitted process does with its order.

    Attributes:
        closed: a file that tells it to stop, or `None` where signals do.
    """

    closed: Path | None

    def __call__(self, order: "Order") -> bool:
        """Do it; at the signal that time is up, save first, and go into the queue again."""
        from rnnlab.sweep.workers import stopped_when

        time_is_up = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        requeue = signal.getsignal(time_is_up)
        told: list[int] = []

        def receive(number: int, _: Any) -> None:
            told.append(number)
            _thread.interrupt_main(signal.SIGTERM)

        signal.signal(time_is_up, receive)
        with ExitStack() as stack:
            if self.closed is not None:
                stack.enter_context(stopped_when(self.closed.exists))
            ended = order()
        if told and not ended and callable(requeue):
            requeue(time_is_up, None)  # ends the process
        return ended

    def checkpoint(self, order: "Order") -> Any:
        """Say what is to be done when its turn comes again: the same, for the run goes on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, order)


class SubmititLauncher(ParallelLauncher):
    """Submits jobs, and waits for them.

    Args:
        timeout_min: minutes after which a job is saved and put into the queue again.
        max_num_timeout: how often that may be.
        signal_delay_s: seconds that saving has, before time is up.
        array_parallelism: how many jobs at a time.
    """

    package = "submitit"

    def __init__(
        self, *, timeout_min: int, max_num_timeout: int, signal_delay_s: int, array_parallelism: Any
    ) -> None:
        self.timeout_min, self.max_num_timeout = timeout_min, max_num_timeout
        self.signal_delay_s, self.array_parallelism = signal_delay_s, array_parallelism

    def check(self) -> None:
        """Refuse times that leave none to train."""
        from rnnlab.errors import ConfigError

        if not 0 < self.signal_delay_s < self.timeout_min * 60:
            raise ConfigError(
                "hydra.launcher.signal_delay_s must be more than 0 and less than timeout_min, "
                f"got {self.signal_delay_s}"
            )

    def hand_out(self, orders: "list[Order]") -> None:
        """Have the jobs done; one that ends without a word has failed."""
        from rnnlab.process.output import note
        from rnnlab.sweep.jobs import fail
        from rnnlab.sweep.workers import stoppable

        folder = orders[0].job.sweep / ".submitit"
        executor = self.executor(folder / "%j", orders)
        note(f"\n{len(orders)} jobs; what they print is in {folder}")
        closed = folder / f"{os.getpid()}.closed"
        closed.unlink(missing_ok=True)
        wish = threading.Event()
        waiting, running = list(orders), dict[Any, "Order"]()
        with stoppable(wish.set):
            while running or (waiting and not wish.is_set()):
                room = max(self.most(orders) - len(running), 0)
                now, waiting = waiting[:room], waiting[room:]
                if now:
                    running |= zip(self.submit(executor, now, closed), now, strict=True)
                for job in [job for job in running if job.done()]:
                    order = running.pop(job)
                    if not wish.is_set() and (error := job.exception()):
                        fail(order.job, error)
                    order.tell()
                if wish.is_set() and not closed.exists():
                    closed.touch()
                    waiting.clear()
                    self.cancel(running)
                time.sleep(_LOOK_SECONDS)
        closed.unlink(missing_ok=True)

    def most(self, orders: "Sequence[Order]") -> int:
        """Say how many jobs to have submitted at a time."""
        return len(orders)

    @abstractmethod
    def executor(self, folder: Path, orders: "Sequence[Order]") -> Any:
        """Make submitit's executor, which knows all about the jobs but what they do."""

    @abstractmethod
    def submit(self, executor: Any, orders: "Sequence[Order]", closed: Path) -> list[Any]:
        """Submit jobs; a file tells them to stop, where nobody else does."""

    def cancel(self, jobs: Iterable[Any]) -> None:
        """Stop jobs, if no file tells them to."""


class SlurmLauncher(SubmititLauncher):
    """Submits to Slurm; what is null, Slurm decides.

    Args:
        cpus_per_task: null for as many as the config's `threads`.
        gpus_per_node: null for one, where a job needs it.
        mem_gb: memory of a job.
        partition: where to; `account`, `qos` and `constraint` are Slurm's too.
        setup: lines for the shell before the job.
        additional_parameters: any other option of sbatch.
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
        self.own = {
            "array_parallelism": array_parallelism,
            "partition": partition,
            "account": account,
            "qos": qos,
            "constraint": constraint,
            "setup": None if setup is None else list(setup),
            "additional_parameters": dict(additional_parameters),
        }

    def check(self) -> None:
        """Refuse a machine that can't submit, too."""
        from rnnlab.errors import ConfigError

        super().check()
        missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
        if missing:
            raise ConfigError(
                f"hydra/launcher=submitit_slurm needs {' and '.join(missing)}, which this machine "
                "doesn't have: run it where Slurm is"
            )

    def executor(self, folder: Path, orders: "Sequence[Order]") -> Any:
        """Make submitit's executor."""
        from submitit import AutoExecutor

        threads = max(order.threads for order in orders)
        gpus = 1 if any(order.on_gpu for order in orders) else None
        executor = AutoExecutor(folder, "slurm", slurm_max_num_timeout=self.max_num_timeout)
        executor.update_parameters(
            name="rnnlab",
            timeout_min=self.timeout_min,
            slurm_signal_delay_s=self.signal_delay_s,
            cpus_per_task=threads if self.cpus_per_task is None else self.cpus_per_task,
            gpus_per_node=gpus if self.gpus_per_node is None else self.gpus_per_node,
            mem_gb=self.mem_gb,
            **{f"slurm_{key}": value for key, value in self.own.items()},
        )
        return executor

    def submit(self, executor: Any, orders: "Sequence[Order]", closed: Path) -> list[Any]:  # noqa: ARG002
        """Submit all as one array."""
        return list(executor.map_array(Doing(None), orders))

    def cancel(self, jobs: Iterable[Any]) -> None:
        """Have Slurm end them, which it begins with SIGTERM."""
        for job in jobs:
            job.cancel(check=False)


class LocalLauncher(SubmititLauncher):
    """Runs jobs on this machine as Slurm would on its own; `joblib` is quicker here."""

    def check(self) -> None:
        """Refuse another number of processes than can be."""
        from rnnlab.errors import ConfigError

        super().check()
        most = self.array_parallelism
        if most != "auto" and not (type(most) is int and most > 0):
            raise ConfigError(
                f"hydra.launcher.array_parallelism must be auto or 1 or more, got {most!r}"
            )

    def most(self, orders: "Sequence[Order]") -> int:
        """Say how many jobs to have submitted at a time."""
        if self.array_parallelism != "auto":
            return int(self.array_parallelism)
        return max(processors() // max(order.threads for order in orders), 1)

    def executor(self, folder: Path, orders: "Sequence[Order]") -> Any:
        """Make submitit's executor."""
        from submitit import LocalExecutor

        executor = LocalExecutor(folder, max_num_timeout=self.max_num_timeout)
        executor.update_parameters(
            timeout_min=self.timeout_min,
            signal_delay_s=self.signal_delay_s,
            gpus_per_node=int(any(order.on_gpu for order in orders)),
        )
        return executor

    def submit(self, executor: Any, orders: "Sequence[Order]", closed: Path) -> list[Any]:
        """Start processes."""
        from rnnlab.sweep.workers import deaf

        with deaf():
            return [executor.submit(Doing(closed), order) for order in orders]
