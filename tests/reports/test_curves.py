"""Aggregate curves and swept settings, read back as TensorBoard does."""

import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from rnnlab.reports.aggregate import aggregate_runs
from rnnlab.reports.curves import align, read_curves, write_curves, write_hparams
from rnnlab.reports.question import Question
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate


@pytest.fixture
def aggregate(tmp_path):
    """Two models with straight curves, the second with a failed run."""
    for model, height in (("elman", 1.0), ("gru", 3.0)):
        for seed in range(3):
            curve = [{"step": step, "val/loss": height + seed + step} for step in (0, 10, 20)]
            fabricate(
                tmp_path, {"model": model, "seed": seed}, {"loss": height + seed}, curve=curve
            )
    fabricate(tmp_path, {"model": "gru", "seed": 3}, status="diverged")
    return aggregate_runs(read_table(tmp_path), Question(), None)


def test_a_run_that_stopped_early_keeps_its_last_value():
    steps, values = align([{1: 1.0, 2: 2.0, 4: 4.0}, {2: 20.0, 3: 30.0}, {}])
    assert steps.tolist() == [2, 3, 4]
    assert values.tolist() == [[2.0, 2.0, 4.0], [20.0, 30.0, 30.0]]
    assert align([{}]) is None


def test_mean_low_and_high_are_runs_of_tensorboard(aggregate, tmp_path):
    curves = [read_curves(group) for group in aggregate.groups]
    write_curves(aggregate, curves, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"model=elman", "model=gru"}
    found = {}
    for side in ("mean", "low", "high"):
        events = EventAccumulator(str(tmp_path / "out" / "model=gru" / side)).Reload()
        found[side] = events.Scalars("val/loss")
    assert [event.step for event in found["mean"]] == [0, 10, 20]
    assert [event.value for event in found["mean"]] == pytest.approx([4.0, 14.0, 24.0])
    low, high = ([event.value for event in found[side]] for side in ("low", "high"))
    assert np.all(np.array(low) < [4.0, 14.0, 24.0])
    assert np.all(np.array(high) > [4.0, 14.0, 24.0])


def session_groups(directory):
    """Return the rows of TensorBoard's HParams page: session group name -> group."""
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(directory)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(directory))
    request = api_pb2.ListSessionGroupsRequest(
        slice_size=100,
        allowed_statuses=api_pb2.Status.values(),
        aggregation_type=api_pb2.AGGREGATION_AVG,
    )
    context = Context(TBContext(data_provider=provider))
    handler = list_session_groups.Handler(RequestContext(), context, "", request)
    return {group.name: group for group in handler.run().session_groups}


def test_the_hparams_page_has_a_row_a_group_with_the_swept_settings_alone(aggregate, tmp_path):
    write_hparams(aggregate, tmp_path / "hparams")
    groups = session_groups(tmp_path / "hparams")
    assert set(groups) == {"model=elman", "model=gru"}
    gru = groups["model=gru"]
    assert {key: value.string_value for key, value in gru.hparams.items()} == {"model": "gru"}
    values = {v.name.tag: v.value for v in gru.metric_values}
    assert values == {"with_best_weights/test_loss": pytest.approx(4.0)}
    success, failure = (api_pb2.Status.Value(f"STATUS_{name}") for name in ("SUCCESS", "FAILURE"))
    assert sorted(session.status for session in gru.sessions) == sorted([success] * 3 + [failure])
    assert (tmp_path / "hparams" / "model=gru" / "seed=3").is_dir()


def test_groups_with_the_same_file_name_have_different_directories(tmp_path):
    for text in ("a b", "a/b", "a:b"):
        fabricate(tmp_path, {"task.path": text})
    found = aggregate_runs(read_table(tmp_path), Question(), None)
    write_hparams(found, tmp_path / "hparams")
    assert len(list((tmp_path / "hparams").iterdir())) == 3


@pytest.mark.usefixtures("aggregate")
def test_a_report_is_written_without_torch(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rnnlab.reports.question import Question\n"
        "from rnnlab.reports.report import make_report\n"
        "from rnnlab.reports.table import read_table\n"
        "from rnnlab.reports.write import write\n"
        f"table = read_table(Path({str(tmp_path)!r}))\n"
        "found = make_report(table, Question())\n"
        f"write(found, Path({str(tmp_path / 'report')!r}), 'rnnlab-report')\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert len(list((tmp_path / "report").rglob("events.out.tfevents.*"))) == 13
