"""A table of the slowest actions that Lightning's profiler recorded."""

import re
from collections.abc import Mapping, Sequence

_ROWS = 20
_KIND = re.compile(r"^\[.*?\]\.?|\{.*\}")  # "[Callback]ModelCheckpoint{'monitor': ...}.setup"


def timings(durations: Mapping[str, Sequence[float]], seconds: float) -> list[str]:
    """Format the actions that took longest as rows; some are parts of others.

    Args:
        durations: action -> seconds of each call.
        seconds: duration of the whole training.
    """
    rows = sorted(((sum(calls), len(calls), name) for name, calls in durations.items()))[::-1]
    lines = [f"{'share':>6}  {'seconds':>8}  {'calls':>7}  {'ms a call':>9}  action"]
    for total, calls, name in rows[:_ROWS]:
        lines.append(
            f"{total / seconds:6.1%}  {total:8.3f}  {calls:7d}  {1e3 * total / calls:9.3f}  "
            f"{_KIND.sub('', name)}"
        )
    return lines
