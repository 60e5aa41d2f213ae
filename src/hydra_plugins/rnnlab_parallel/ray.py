"""`hydra/launcher=ray`: jobs run as tasks of a Ray cluster."""

import threading
from typing import TYPE_CHECKING

from .base import ParallelLauncher

if TYPE_CHECKING:
    from rnnlab.sweeps.workers import WorkItem


class RayLauncher(ParallelLauncher):
    """Runs as many jobs at a time as the cluster has room for.

    Args:
        address: address of the cluster; null starts one on this machine for the sweep.
        num_cpus: processors of a job; null for the config's `threads`.
        num_gpus: GPUs of a job, may be a fraction; null for 1 with `trainer=gpu`, else 0.
    """

    package = "ray"

    def __init__(
        self, *, address: str | None, num_cpus: float | None, num_gpus: float | None
    ) -> None:
        self.address, self.num_cpus, self.num_gpus = address, num_cpus, num_gpus

    def check(self) -> None:
        """Do nothing: Ray checks its own settings."""

    def run_in_workers(self, items: "list[WorkItem]") -> None:
        """Run the jobs; one whose process is lost fails."""
        import ray

        from rnnlab.sweeps.jobs import record_failure
        from rnnlab.sweeps.workers import stop_on_signals

        threads = max(item.threads for item in items)
        gpus = float(any(item.on_gpu for item in items))
        if not ray.is_initialized():
            ray.init(address=self.address, include_dashboard=False, logging_level="warning")
        remote = ray.remote(
            num_cpus=threads if self.num_cpus is None else self.num_cpus,
            num_gpus=gpus if self.num_gpus is None else self.num_gpus,
            max_retries=0,
        )(_run)
        stop = threading.Event()
        running = {remote.remote(item): item for item in items}
        cancelled = False
        with stop_on_signals(stop.set):
            while running:
                for task in ray.wait(list(running), timeout=0.5)[0]:
                    item = running.pop(task)
                    try:
                        ray.get(task)
                    except ray.exceptions.RayError as error:
                        if not cancelled:
                            record_failure(item.job, error)
                if stop.is_set() and not cancelled:
                    cancelled = True
                    for task in running:
                        ray.cancel(task)
            if cancelled:
                ray.shutdown()  # prints the last lines of the jobs, which come before ours


def _run(item: "WorkItem") -> bool:
    from rnnlab.sweeps.workers import prefixed_lines

    with prefixed_lines(item.label):
        return item.run_in_worker()
