"""`hydra/launcher=joblib`: worker processes on this machine, each with threads and a device."""

import os
import shutil
import tempfile
import weakref
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base import ParallelLauncher, num_processors

if TYPE_CHECKING:
    from rnnlab.sweeps.workers import WorkItem

_KILLED = "its process, or one beside it, was killed, perhaps for lack of memory"


class JoblibLauncher(ParallelLauncher):
    """Runs jobs in joblib's worker processes.

    Args:
        n_jobs: number of workers; `auto` is the number of available processors / `threads`.
    """

    package = "joblib"
    other_packages = ("psutil",)  # with it joblib ends the other workers if one was killed

    def __init__(self, n_jobs: Any) -> None:
        self.n_jobs = n_jobs

    def check(self) -> None:
        """Refuse an invalid `n_jobs`."""
        from rnnlab.errors import ConfigError

        if self.n_jobs != "auto" and not (type(self.n_jobs) is int and self.n_jobs > 0):
            raise ConfigError(
                f"hydra.launcher.n_jobs must be auto or 1 or more, got {self.n_jobs!r}"
            )

    def run_in_workers(self, items: "list[WorkItem]") -> None:
        """Run the jobs; one whose worker is killed fails, and the others go on."""
        import joblib

        from rnnlab.sweeps.jobs import record_failure
        from rnnlab.sweeps.workers import WorkerPool, stop_on_signals

        threads = max(item.threads for item in items)
        auto = max(num_processors() // threads, 1)
        workers = min(auto if self.n_jobs == "auto" else self.n_jobs, len(items))
        if workers == 1:  # joblib would not start a process either
            for item in items:
                item.run_here()
            return
        devices = _devices() if any(item.on_gpu for item in items) else []
        pool = WorkerPool(self._directory, os.getpid(), devices)
        with (
            stop_on_signals(pool.stop_file.touch),
            joblib.parallel_config("loky", inner_max_num_threads=threads),
        ):
            while items and not pool.stop_file.exists():
                try:
                    joblib.Parallel(workers, batch_size=1)(
                        joblib.delayed(pool.run)(item) for item in items
                    )
                    return
                except BrokenProcessPool:
                    lost = pool.take_lost_jobs()
                    if not lost:
                        raise
                for item in items:
                    if item.job.name in lost:
                        record_failure(item.job, RuntimeError(_KILLED))
                items = [i for i in items if i.job.name not in lost and i.job.is_open]

    @cached_property
    def _directory(self) -> Path:
        """Temporary directory of the pool, kept between the batches of a search."""
        directory = Path(tempfile.mkdtemp(prefix="rnnlab-"))
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return directory


def _devices() -> list[str]:
    """List the devices of this process, as values for CUDA_VISIBLE_DEVICES."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
