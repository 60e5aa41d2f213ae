"""`hydra/launcher=joblib`: worker processes on this machine, each with its threads and device."""

import os
import shutil
import tempfile
import weakref
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base import ParallelLauncher, processors

if TYPE_CHECKING:
    from rnnlab.sweep.workers import Order

_KILLED = "its process, or one beside it, was killed, perhaps for lack of memory"


class JoblibLauncher(ParallelLauncher):
    """Does as many jobs at a time as there are workers.

    Args:
        n_jobs: how many; `auto` for as many as this process may use processors for, by `threads`.
    """

    package = "joblib"
    beside = ("psutil",)  # by which joblib ends the workers beside one that was killed

    def __init__(self, n_jobs: Any) -> None:
        self.n_jobs = n_jobs

    def check(self) -> None:
        """Refuse another number of workers than can be."""
        from rnnlab.errors import ConfigError

        if self.n_jobs != "auto" and not (type(self.n_jobs) is int and self.n_jobs > 0):
            raise ConfigError(
                f"hydra.launcher.n_jobs must be auto or 1 or more, got {self.n_jobs!r}"
            )

    def hand_out(self, orders: "list[Order]") -> None:
        """Have the jobs done; one whose worker was killed has failed, and the others go on."""
        import joblib

        from rnnlab.sweep.jobs import fail
        from rnnlab.sweep.workers import Office, stoppable

        threads = max(order.threads for order in orders)
        auto = max(processors() // threads, 1)
        workers = min(auto if self.n_jobs == "auto" else self.n_jobs, len(orders))
        if workers == 1:  # joblib would do them here too
            for order in orders:
                order.here()
            return
        devices = _devices() if any(order.on_gpu for order in orders) else []
        office = Office(self._directory, os.getpid(), devices)
        with (
            stoppable(office.closed.touch),
            joblib.parallel_config("loky", inner_max_num_threads=threads),
        ):
            while orders and not office.closed.exists():
                try:
                    joblib.Parallel(workers, batch_size=1)(
                        joblib.delayed(office.do)(order) for order in orders
                    )
                    return
                except BrokenProcessPool:
                    lost = office.take_begun()
                    if not lost:
                        raise
                for order in orders:
                    if order.job.name in lost:
                        fail(order.job, RuntimeError(_KILLED))
                orders = [o for o in orders if o.job.name not in lost and o.job.is_open]

    @cached_property
    def _directory(self) -> Path:
        """A directory for the workers of all batches, if a search launches several."""
        directory = Path(tempfile.mkdtemp(prefix="rnnlab-"))
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return directory


def _devices() -> list[str]:
    """Give what CUDA_VISIBLE_DEVICES may name."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
