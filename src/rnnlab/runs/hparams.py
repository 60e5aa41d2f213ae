"""TensorBoard's HParams page: the settings of a run beside its final scores.

Imports no torch, whose own functions for it set neither the names nor the order of columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DataType,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
    Status,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)

from rnnlab.metric import FINAL, words

Settings = Mapping[str, bool | int | float | str | None]


def final_scalars(scores: Mapping[str, float]) -> dict[str, float]:
    """Return final scores under the tags that they have in TensorBoard.

    Args:
        scores: metric with its split -> value.
    """
    return {_tag(metric): value for metric, value in scores.items()}


def columns(
    settings: Sequence[Settings], metrics: Sequence[str], leading: Sequence[str] = ()
) -> Summary:
    """Return the columns of the page, of which it shows the first five settings.

    TensorBoard sorts them: what is said to differ comes first, then it goes by name.

    Args:
        settings: the settings of all runs that are known.
        metrics: metrics with their split.
        leading: settings to come first even if they don't differ among these runs.
    """
    keys = dict.fromkeys(key for each in settings for key in each)
    values = {key: {each[key] for each in settings if each.get(key) is not None} for key in keys}
    infos = []
    for key, known in values.items():
        info = HParamInfo(name=key, type=_type(known), differs=len(known) > 1 or key in leading)
        if len(settings) > 1 and info.type != DataType.DATA_TYPE_FLOAT64:
            info.domain_discrete.extend(sorted(known, key=str))
        infos.append(info)
    named = [
        MetricInfo(name=MetricName(tag=_tag(metric)), display_name=words(metric))
        for metric in metrics
    ]
    experiment = Experiment(hparam_infos=infos, metric_infos=named)
    return _summary(metadata.EXPERIMENT_TAG, experiment=experiment)


def session(settings: Settings, *, group: str = "", failed: bool = False) -> list[Summary]:
    """Return the records of one run: its settings, and how it ended.

    Args:
        settings: setting -> value; one that is `None` is left out.
        group: name of the runs whose mean the page shows together; empty for the run alone.
        failed: whether the run failed.
    """
    start = SessionStartInfo(group_name=group)
    for key, value in settings.items():
        if isinstance(value, bool):
            start.hparams[key].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[key].number_value = value
        elif value is not None:
            start.hparams[key].string_value = value
    status = Status.STATUS_FAILURE if failed else Status.STATUS_SUCCESS
    return [
        _summary(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        _summary(metadata.SESSION_END_INFO_TAG, session_end_info=SessionEndInfo(status=status)),
    ]


def _tag(metric: str) -> str:
    return FINAL + metric.replace("/", "_")


def _type(values: set[Any]) -> int:
    """Return the type of a column, which is text where values are of several kinds."""
    if values and all(isinstance(value, bool) for value in values):
        return int(DataType.DATA_TYPE_BOOL)
    if values and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        return int(DataType.DATA_TYPE_FLOAT64)
    return int(DataType.DATA_TYPE_STRING)


def _summary(tag: str, **content: Any) -> Summary:
    data = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString()
    )
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])
