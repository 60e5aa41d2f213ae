"""A sweep for TensorBoard: aggregate curves as runs of their own, and its page of hparams."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.report.aggregate import Analysis, Group
from rnnlab.report.statistics import bootstrap
from rnnlab.report.table import Record, Settings

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_RESAMPLES = 1000  # at each step: a picture shows no more


class Curves(NamedTuple):
    """The curves of one metric: steps `(S,)` and values `(n, S)` of n runs."""

    steps: np.ndarray
    values: np.ndarray


def aligned(curves: Sequence[Mapping[int, float]]) -> Curves | None:
    """Bring curves to the same steps: those that any has, from where all have begun.

    Between its steps, and after its last one where it stopped early, a run has its last value.
    """
    curves = [curve for curve in curves if curve]
    if not curves:
        return None
    begun = max(min(curve) for curve in curves)
    steps = np.array(sorted({step for curve in curves for step in curve if step >= begun}))
    values = []
    for curve in curves:
        own = np.array(sorted(curve))
        last = np.searchsorted(own, steps, side="right") - 1
        values.append([curve[step] for step in own[last].tolist()])
    return Curves(steps, np.array(values))


def read_curves(group: Group) -> dict[str, Curves]:
    """Give the curves of a group's finished runs by their metrics."""
    logged = [_curve(record) for record in group.records]
    found = {}
    for metric in dict.fromkeys(name for curve in logged for name in curve):
        together = aligned([curve.get(metric, {}) for curve in logged])
        if together is not None:
            found[metric] = together
    return found


def _curve(record: Record) -> dict[str, dict[int, float]]:
    """Give each metric's values by step."""
    found: dict[str, dict[int, float]] = {}
    try:
        rows = record.run.curve if record.run else []
    except ConfigError:  # its scores are whole, and count
        return {}
    for row in rows:
        for name, value in row.items():
            if name != "step" and np.isfinite(value):
                found.setdefault(name, {})[int(row["step"])] = value
    return found


def write_curves(
    analysis: Analysis, curves: Sequence[Mapping[str, Curves]], directory: Path
) -> None:
    """Write each group's mean curves, and the interval's ends, as three runs of TensorBoard.

    Args:
        analysis: the groups.
        curves: of each group.
        directory: where to; `<group>/{mean,low,high}` are made in it.
    """
    for place, metrics in zip(_places(analysis, directory), curves, strict=True):
        sides: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
        for metric, (steps, values) in metrics.items():
            sides.setdefault("mean", {})[metric] = steps, values.mean(axis=0)
            if len(values) > 1:
                for side, edge in zip(("low", "high"), bootstrap(values, _RESAMPLES), strict=True):
                    sides.setdefault(side, {})[metric] = steps, edge
        for side, found in sides.items():
            with _writer(place / side) as writer:
                for metric, (steps, line) in found.items():
                    for step, value in zip(steps.tolist(), line.tolist(), strict=True):
                        writer.add_scalar(metric, value, step)


def write_hparams(analysis: Analysis, directory: Path) -> None:
    """Write swept settings and final scores of each run for TensorBoard's page of them.

    The runs of a group are sessions of one group there: the page shows their mean, and each.
    """
    for group, place in zip(analysis.groups, _places(analysis, directory), strict=True):
        told = analysis.label(group), group.settings
        for number, (seed, record) in enumerate(zip(group.values, group.records, strict=True)):
            scores = {k: v for k, v in record.scores.items() if k.startswith("test/")}
            name = analysis.seed_label(seed) or str(number)
            _write_session(place / _file_name(name), *told, scores, "STATUS_SUCCESS")
        for number, seed in enumerate(group.failures):
            name = analysis.seed_label(seed) or f"failed {number}"
            _write_session(place / _file_name(name), *told, {}, "STATUS_FAILURE")


def _write_session(
    path: Path, label: str, settings: Settings, scores: Mapping[str, float], status: str
) -> None:
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
    told = {
        metadata.SESSION_START_INFO_TAG: HParamsPluginData(
            session_start_info=start, version=version
        ),
        metadata.SESSION_END_INFO_TAG: HParamsPluginData(session_end_info=end, version=version),
    }
    with _writer(path) as writer:
        for tag, content in told.items():
            plugin = SummaryMetadata.PluginData(
                plugin_name=metadata.PLUGIN_NAME, content=content.SerializeToString()
            )
            value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))
            writer._get_file_writer().add_summary(Summary(value=[value]))
        for name, score in scores.items():
            writer.add_scalar(name, score, 0)


def _writer(path: Path) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter  # with torch, which takes seconds

    return SummaryWriter(str(path))


def _places(analysis: Analysis, directory: Path) -> list[Path]:
    """Give each group a directory of its own, named by its settings."""
    places: list[Path] = []
    for group in analysis.groups:
        place = directory / _file_name(analysis.label(group))
        places.append(place if place not in places else Path(f"{place}-{len(places)}"))
    return places


def _file_name(label: str) -> str:
    """Spell a label so that it can be a directory."""
    return re.sub(r"[^\w.=+,-]+", ",", label)[:150]
