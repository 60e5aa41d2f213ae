"""`hydra/launcher=ray`: the jobs are tasks of a Ray cluster, which gives each its processors."""

import threading
from typing import TYPE_CHECKING

from .base import ParallelLauncher

if TYPE_CHECKING:
    from rnnlab.sweep.workers import Order


class RayLauncher(ParallelLauncher):
    """Does as many jobs at a time as the cluster has room for.

    Args:
        address: of the cluster; null for one on this machine that ends with the sweep.
        num_cpus: processors of a job; null for as many as the config's `threads`.
        num_gpus: devices of a job, parts of one too; null for one, where a job needs it.
    """

    package = "ray"

    def __init__(
        self, *, address: str | None, num_cpus: float | None, num_gpus: float | None
    ) -> None:
        self.address, self.num_cpus, self.num_gpus = address, num_cpus, num_gpus

    def check(self) -> None:
        """Leave the rest to Ray."""

    def hand_out(self, orders: "list[Order]") -> None:
        """Have the jobs done; one whose process is lost has failed."""
        import ray

        from rnnlab.sweep.jobs import fail
        from rnnlab.sweep.workers import stoppable

        threads = max(order.threads for order in orders)
        gpus = float(any(order.on_gpu for order in orders))
        if not ray.is_initialized():
            ray.init(address=self.address, include_dashboard=False, logging_level="warning")
        do = ray.remote(
            num_cpus=threads if self.num_cpus is None else self.num_cpus,
            num_gpus=gpus if self.num_gpus is None else self.num_gpus,
            max_retries=0,
        )(_do)
        wish = threading.Event()
        running = {do.remote(order): order for order in orders}
        cancelled = False
        with stoppable(wish.set):
            while running:
                for task in ray.wait(list(running), timeout=0.5)[0]:
                    order = running.pop(task)
                    try:
                        ray.get(task)
                    except ray.exceptions.RayError as error:
                        if not cancelled:
                            fail(order.job, error)
                if wish.is_set() and not cancelled:
                    cancelled = True
                    for task in running:
                        ray.cancel(task)
            if cancelled:
                ray.shutdown()  # it prints the last lines of the jobs, and ours comes after them


def _do(order: "Order") -> bool:
    from rnnlab.sweep.workers import labelled

    with labelled(order.number):
        return order()
