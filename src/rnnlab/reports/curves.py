"""A sweep in TensorBoard: aggregate curves of each group, and the HParams page."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.reports.aggregate import Aggregate, RunGroup
from rnnlab.reports.events import scalar, write_events
from rnnlab.reports.statistics import bootstrap
from rnnlab.reports.table import Record, RunSettings

_RESAMPLES = 1000  # at each step; enough for a picture


class Curves(NamedTuple):
    """The curves of one metric: steps `(S,)` and values `(n, S)` of n runs."""

    steps: np.ndarray
    values: np.ndarray


def align(curves: Sequence[Mapping[int, float]]) -> Curves | None:
    """Resample curves, step -> value, to the union of their steps from where all have begun.

    Between its steps and after its end a curve keeps its last value. `None` if all are empty.
    """
    curves = [curve for curve in curves if curve]
    if not curves:
        return None
    begun = max(min(curve) for curve in curves)
    steps = np.array(sorted({step for curve in curves for step in curve if step >= begun}))
    values = []
    for curve in curves:
        logged = np.array(sorted(curve))
        last = np.searchsorted(logged, steps, side="right") - 1
        values.append([curve[step] for step in logged[last].tolist()])
    return Curves(steps, np.array(values))


def read_curves(group: RunGroup) -> dict[str, Curves]:
    """Read the curves of a group's finished runs: metric -> curves."""
    logged = [_read_curve(record) for record in group.records]
    curves = {}
    for metric in dict.fromkeys(name for curve in logged for name in curve):
        aligned = align([curve.get(metric, {}) for curve in logged])
        if aligned is not None:
            curves[metric] = aligned
    return curves


def _read_curve(record: Record) -> dict[str, dict[int, float]]:
    """Read metrics.csv: metric -> step -> value."""
    curve: dict[str, dict[int, float]] = {}
    try:
        rows = record.run.curve if record.run else []
    except ConfigError:  # metrics.csv is damaged; the run's scores still count
        return {}
    for row in rows:
        for name, value in row.items():
            if name != "step" and np.isfinite(value):
                curve.setdefault(name, {})[int(row["step"])] = value
    return curve


def write_curves(
    aggregate: Aggregate, curves: Sequence[Mapping[str, Curves]], directory: Path
) -> None:
    """Write each group's mean curves and the ends of their intervals as TensorBoard runs.

    Args:
        aggregate: the groups.
        curves: metric -> curves, of each group.
        directory: directory in which `<group>/{mean,low,high}` are made.
    """
    for path, metrics in zip(_group_directories(aggregate, directory), curves, strict=True):
        sides: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
        for metric, (steps, values) in metrics.items():
            sides.setdefault("mean", {})[metric] = steps, values.mean(axis=0)
            if len(values) > 1:
                for side, edge in zip(("low", "high"), bootstrap(values, _RESAMPLES), strict=True):
                    sides.setdefault(side, {})[metric] = steps, edge
        for side, lines in sides.items():
            points = (
                (metric, *point)
                for metric, (steps, line) in lines.items()
                for point in zip(line.tolist(), steps.tolist(), strict=True)
            )
            write_events(path / side, [scalar(*point) for point in points])


def write_hparams(aggregate: Aggregate, directory: Path) -> None:
    """Write the swept settings and test scores of each run for TensorBoard's HParams page.

    The runs of a group are the sessions of one session group, whose mean the page shows.
    """
    paths = _group_directories(aggregate, directory)
    for group, path in zip(aggregate.groups, paths, strict=True):
        label = aggregate.label(group)
        for number, (seed, record) in enumerate(zip(group.values, group.records, strict=True)):
            scores = {k: v for k, v in record.scores.items() if k.startswith("test/")}
            name = aggregate.seed_label(seed) or str(number)
            _write_session(path / _file_name(name), label, group.settings, scores, "STATUS_SUCCESS")
        for number, seed in enumerate(group.failures):
            name = aggregate.seed_label(seed) or f"failed {number}"
            _write_session(path / _file_name(name), label, group.settings, {}, "STATUS_FAILURE")


def _write_session(
    path: Path, label: str, settings: RunSettings, scores: Mapping[str, float], status: str
) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import (
        HParamsPluginData,
        SessionEndInfo,
        SessionStartInfo,
    )

    start = SessionStartInfo(group_name=label)
    for key, value in settings.items():
        if isinstance(value, bool):
            start.hparams[key].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[key].number_value = value
        elif value is not None:
            start.hparams[key].string_value = value
    end = SessionEndInfo(status=Status.Value(status))
    version = metadata.PLUGIN_DATA_VERSION
    contents = {
        metadata.SESSION_START_INFO_TAG: HParamsPluginData(
            session_start_info=start, version=version
        ),
        metadata.SESSION_END_INFO_TAG: HParamsPluginData(session_end_info=end, version=version),
    }
    events = []
    for tag, content in contents.items():
        plugin = SummaryMetadata.PluginData(
            plugin_name=metadata.PLUGIN_NAME, content=content.SerializeToString()
        )
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))
        events.append(Event(summary=Summary(value=[value])))
    events += [scalar(name, score, 0) for name, score in scores.items()]
    write_events(path, events)


def _group_directories(aggregate: Aggregate, directory: Path) -> list[Path]:
    """Name a directory for each group by its settings, numbered where names collide."""
    paths: list[Path] = []
    for group in aggregate.groups:
        path = directory / _file_name(aggregate.label(group))
        paths.append(path if path not in paths else Path(f"{path}-{len(paths)}"))
    return paths


def _file_name(label: str) -> str:
    """Make a label a valid name of a directory."""
    return re.sub(r"[^\w.=+,-]+", ",", label)[:150]
