"""Time series: windows, baselines, and what is refused."""

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rnnlab.errors import ConfigError
from rnnlab.spec import SPLITS, Layout
from rnnlab.tasks import dynamics, forecasts
from rnnlab.tasks.columns import read_columns
from rnnlab.tasks.series import Series

SETTINGS: dict[str, Any] = {
    "name": "sines",
    "path": None,
    "column": None,
    "encoding": None,
    "first": None,
    "val_first": None,
    "test_first": None,
    "last": None,
    "season_steps": None,
    "cue_steps": 6,
    "length": 10,
    "stride": None,
    "forecast_steps": 12,
    "input_noise": 0.0,
}
LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", **settings: Any) -> Series:
    return Series(layout, 0, **SETTINGS | settings)


def answered(task: Series, split: Any) -> list[int]:
    """The rows that the windows of a split answer, in order."""
    found = []
    for index in range(task.num_batches(split, 7)):
        batch = task.sample(split, index, 7)
        for row in range(len(batch.mask)):
            asked = batch.target[row][batch.mask[row]]
            start = task._find(asked)
            found += range(start, start + len(asked))
    return sorted(found)


def test_every_value_is_answered_once_after_the_first_cue() -> None:
    task = make(length=10, forecast_steps=7)
    train, val, test = (answered(task, split) for split in SPLITS)
    assert train + val + test == [*range(6, 1000)]
    assert [len(train), len(val), len(test)] == [794, 100, 100]


def test_windows_may_overlap_in_training() -> None:
    assert make(stride=1).starts("train").tolist() == [*range(6, 791)]
    assert make(stride=3, length=5).starts("train")[:3].tolist() == [6, 9, 12]


def test_layouts_hold_one_content() -> None:
    stream, cut = (make(layout, name="lorenz").sample("val", 1, 3) for layout in LAYOUTS)
    assert cut.source is not None
    torch.testing.assert_close(cut.source, stream.input[:, :6])
    torch.testing.assert_close(cut.input, stream.input[:, 5:])
    torch.testing.assert_close(cut.target, stream.target[:, 5:])
    assert torch.equal(cut.mask, stream.mask[:, 5:])


def test_noise_is_on_what_is_read_in_training_alone() -> None:
    clean, noisy = make(), make(input_noise=0.1)
    for split in SPLITS:
        one, other = (task.sample(split, 0, 8) for task in (clean, noisy))
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.input, other.input) == (split != "train")


def test_an_epoch_has_an_order_of_its_own() -> None:
    task = make()
    count = task.num_batches("train", 100)
    first, second = (task.sample("train", epoch * count, 100).target for epoch in (0, 1))
    assert not torch.equal(first, second)
    torch.testing.assert_close(first.sum(), second.sum())


def test_least_squares_finds_the_recurrence_of_three_sines() -> None:
    assert make().floor["nmse_least_squares"] < 1e-20
    assert make().floor["nmse_forecast_least_squares"] < 1e-12
    assert make(cue_steps=5).floor["nmse_least_squares"] > 1e-6


def test_baselines_are_what_their_names_say() -> None:
    values = np.arange(10.0)[:, None]
    starts = np.array([4, 7])
    assert forecasts.last_value(values, starts, 2)[..., 0].tolist() == [[3, 3], [6, 6]]
    assert forecasts.seasonal(values, starts, 4, 3)[..., 0].tolist() == [[1, 2, 3, 1], [4, 5, 6, 4]]
    weights = forecasts.least_squares(values, 1, 10, 1)  # x + 1
    assert forecasts.autoregressive(values, starts, 2, weights)[..., 0] == pytest.approx(
        np.array([[4, 5], [7, 8]])
    )


def test_scores_are_over_the_variance_of_the_record() -> None:
    task = make()
    batch = task.sample("test", 0, 64)
    scorer = task.scorer()
    scorer.update(torch.zeros_like(batch.target), batch)
    scores = scorer.compute()
    asked = batch.target[batch.mask]
    assert scores["nmse"] == pytest.approx(
        float(asked.square().mean()) / float(task.values.var()), rel=1e-5
    )
    assert scores["nrmse"] == math.sqrt(scores["nmse"])
    assert scores["nmse"] == pytest.approx(task.floor["nmse"], rel=1e-5)


def test_columns_are_found_with_a_heading_and_without() -> None:
    def read(text: str, *columns: str | int) -> Any:
        return read_columns(text, columns or None, "task.path", "f.csv")

    for text in (
        "year,a,b\n1900,1,2\n1901,3,4\n",
        "1900;1;2,0\n1901;3;4,0\n",
        ",0,1\n1900,1,2\n1901,3,4",
    ):
        record = read(text)
        assert record.values.tolist() == [[2], [4]]
        assert record.times == ("1900", "1901")
    record = read("a\tb\n1\t2\n\n3\t4\n", "b", 1)
    assert (record.names, record.times) == (("b", "a"), ("1", "2"))
    assert record.values.tolist() == [[2, 1], [4, 3]]
    assert read("5\n6\n").times == ("1", "2")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        (
            "year,x\n1900,1\n1901,\n",
            None,
            "line 3 of f.csv must have a number in the column 'x', got ''",
        ),
        ("year,x\n1900,1\n1901,nan\n", None, "line 3 of f.csv .* got 'nan'"),
        ("year,x\n1900,1\n1901\n", None, "line 3 of f.csv .* got ''"),
        ("year,x\n1900,1\n", "y", "task.column must name columns .* got 'y'; it has 'year', 'x'"),
        ("year,x\n1900,1\n", 3, "number them from 1 to 2, got 3"),
    ],
)
def test_a_bad_file_is_one_clear_error(text: str, column: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_columns(text, None if column is None else [column], "task.path", "f.csv")


def test_an_own_file_is_read_split_and_shown_in_its_own_units(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    rows = [f"{1900 + n},{100 + 10 * math.sin(n)},{n}" for n in range(100)]
    file.write_text("\n".join(["year,x,n", *rows]), encoding="utf-8")
    own = {"name": None, "path": str(file), "column": "x"}
    task = make(**own, val_first=1980, test_first=1990)
    assert task.bounds == {"train": (6, 80), "val": (80, 90), "test": (90, 100)}
    assert task.values[:80].mean() == pytest.approx(0, abs=1e-12)
    batch = task.sample("test", 0, 8)
    assert isinstance(task.show(batch, batch.target), Image.Image)
    assert task.table(batch, batch.target)[1][2:] == pytest.approx([100 + 10 * math.sin(90)] * 2)
    assert make(**own | {"column": ["x", "n"]}).spec.input.size == 2
    with pytest.raises(ConfigError, match=r"test_first must be a time .* 1900 to 1999, got 2001"):
        make(**own, test_first=2001)
    with pytest.raises(ConfigError, match="the splits must be 7 or more rows"):
        make(**own, val_first=1990, test_first=1980)


@pytest.mark.parametrize(
    "settings", [{"path": "x.csv"}, {"column": "x"}, {"encoding": "cp1252"}, {"season_steps": 2000}]
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="task"):
        make(**settings)


def test_equations_are_integrated_closely() -> None:
    """Half the steps give the same beginning; the series stay where they are known to."""
    series = dynamics.mackey_glass(500)[:, 0]
    assert 0.2 < series.min() < 0.5
    assert 1.2 < series.max() < 1.4
    assert dynamics.lorenz(3)[0] == pytest.approx(dynamics.lorenz(2)[0])
    assert np.abs(dynamics.lorenz()[:, 2].mean() - 23.5) < 0.5


@pytest.mark.skipif(find_spec("statsmodels") is None, reason="the extra data is missing")
def test_sunspots_are_yules() -> None:
    task = make(
        name="sunspots", first=1749, val_first=1925, test_first=1956, last=1979, cue_steps=2
    )
    assert task.least_squares(2)[:2, 0] == pytest.approx([1.336, -0.650], abs=5e-4)
    assert task.fingerprint() != make(name="sunspots").fingerprint()


def test_a_model_is_used_at_the_scale_that_it_learnt() -> None:
    task = make(val_first=701, test_first=801)
    assert task.fingerprint() == make(val_first=701, test_first=901, last=950).fingerprint()
    assert task.fingerprint() != make(val_first=601, test_first=801).fingerprint()


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnlab.tasks.package_data.find_spec", lambda _: None)
    with pytest.raises(
        ConfigError, match=r"task.name=lynx .* sktime.*pip install 'rnnlab\[data\]'"
    ):
        make(name="lynx")
