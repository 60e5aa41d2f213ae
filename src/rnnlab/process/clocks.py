"""The clocks by which the time of a training is measured."""

import time


def clocks() -> dict[str, float]:
    """Return wall time and the CPU time of this process in seconds; only differences count."""
    return {"seconds": time.perf_counter(), "cpu_seconds": time.process_time()}
