"""Two runs differ in what was edited between them, and in nothing else."""

import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

import rnnlab
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.files import checkpoint
from rnnlab.runs.diff import PARTS, Row, Section, compare
from rnnlab.runs.format_diff import format_diff
from rnnlab.runs.run import Run
from tests.small_runs import tiny

Trained = Callable[..., Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Give a function that trains with some words, each time anew."""

    def trained(*words: str) -> Run:
        run = rnnlab.train(tiny(tmp_path_factory.mktemp("runs"), *words))
        # Whoever works on the code while its tests run would make a difference.
        edit_json(run, "run.json", git={"commit": "a" * 40, "dirty": False})
        return run

    return trained


@pytest.fixture(scope="module")
def base(trained) -> Run:
    return trained()


@pytest.fixture
def copied(base, tmp_path) -> Run:
    shutil.copytree(base.path, tmp_path / "copied")
    return Run(tmp_path / "copied")


def edit(run: Run, name: str, old: str, new: str) -> None:
    path = run.path / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def edit_json(run: Run, name: str, **values: Any) -> None:
    path = run.path / name
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**known, **values}), encoding="utf-8")


def edit_weights(run: Run, change: Callable[[dict[str, Any]], None]) -> None:
    path = run.path / "checkpoints" / "best.ckpt"
    content = checkpoint.read(path)
    change(content["state_dict"])
    checkpoint.write(path, content)


def compared(first: Run, second: Run) -> dict[str, Section]:
    return dict(zip(PARTS, compare(first, second, list(PARTS)), strict=True))


def differing(first: Run, second: Run) -> list[str]:
    return [part for part, section in compared(first, second).items() if section.differs]


def test_the_same_config_twice_makes_the_same_run(base, trained):
    other = trained()
    assert base.path != other.path
    sections = compared(base, other)
    assert not any(section.differs or section.caveats for section in sections.values())
    said = format_diff(base, other, list(sections.values())).splitlines()
    assert said[-1] == f"the same bit for bit: {', '.join(PARTS)}"
    assert str(base.path) in said[0]
    assert not any(line.startswith(tuple(PARTS)) for line in said)


def test_another_seed_is_named_with_all_that_came_of_it(base, trained):
    other = trained("seed=1")
    sections = compared(base, other)
    assert differing(base, other) == ["settings", "results", "curve", "weights"]
    assert sections["settings"].rows == [Row("seed", 0, 1)]
    assert [row.name for row in sections["results"].rows if row.name.startswith("test/")] == [
        f"test/{name}" for name in base.results["test"]
    ]
    assert Row("val/loss", base.results["val"]["loss"], other.results["val"]["loss"]) in (
        sections["results"].rows
    )
    assert sections["curve"].name == "curve at step 1"
    assert "of 4 that both have" in sections["curve"].remarks[0]
    said = format_diff(base, other, list(sections.values()))
    assert said.endswith("the same bit for bit: versions, fingerprint")


def test_another_model_is_named_first_and_has_settings_and_tensors_of_its_own(base, trained):
    sections = compared(base, trained("model=lstm"))
    rows = {row.name: row for row in sections["settings"].rows}
    assert next(iter(rows.values())) == Row("model", "elman", "lstm")
    assert rows["model.cell._target_"].first.endswith("Elman")
    said = format_diff(base, base, [sections["settings"]])
    assert re.search(r"^  model.cell.activation +tanh +-$", said, re.MULTILINE)
    assert re.search(r"^  model.cell.forget_bias +- +1.0$", said, re.MULTILINE)
    assert Row("cell.cells.0.bias", "8", "32") in sections["weights"].rows
    assert sections["weights"].remarks == ["the architecture differs"]
    assert "parameters" in [row.name for row in sections["results"].rows]


def test_a_run_of_another_command_in_another_directory_is_the_same(base, copied):
    edit(copied, "config.yaml", "experiment: null", "experiment: one_of_mine")
    edit(copied, "config.yaml", "output_dir: ", "output_dir: /elsewhere")
    edit_json(copied, "run.json", command=["other"], started="2000-01-01", seconds=1e9)
    assert differing(base, copied) == []


def test_the_heading_says_how_each_run_came_about(copied, tmp_path):
    before = Run(shutil.copytree(copied.path, tmp_path / "before"))
    edit_json(before, "run.json", command=["rnnlab-train", "task=copy"])
    edit_json(
        copied,
        "run.json",
        command=["rnnlab-train", "task=copy", "model=lstm", "x='a b'"],
        started="2026-01-02T03:04:05+01:00",
        status="interrupted",
        seconds=3600.04,
        sessions=[{}, {}],
    )
    said = format_diff(before, copied, []).splitlines()
    assert said[0].startswith(f"first   {before.path}")
    assert said[-2].endswith("interrupted, 2026-01-02 03:04:05, 3,600.0 s, 2 sessions")
    assert said[-1] == """only the second command has model=lstm 'x='"'"'a b'"'"''"""


def test_a_part_that_one_has_as_null_has_no_keys_there(base, copied):
    edit(copied, "config.yaml", "curriculum: null\nchoices", "curriculum:\n    end: 9\nchoices")
    (row,) = compared(copied, base)["settings"].rows
    assert (row.name, row.first) == ("data.curriculum.end", 9)


@pytest.mark.parametrize(
    ("facts", "row"),
    [
        ({"python": "2.7"}, ("python", "2.7")),
        ({"versions": {"torch": "0.4"}}, ("torch", "0.4")),
        ({"git": {"commit": "b" * 40, "dirty": False}}, ("git.commit", "b" * 40)),
        ({"git": {"commit": "a" * 40, "dirty": True}}, ("git.dirty", True)),
        ({"platform": "Plan 9"}, ("platform", "Plan 9")),
        ({"threads": 8}, ("threads", 8)),
        ({"device": "cuda:0"}, ("device", "cuda:0")),
        ({"determinism": "luck"}, ("determinism", "luck")),
    ],
)
def test_what_a_run_stands_on_is_compared(base, copied, facts, row):
    edit_json(copied, "run.json", **facts)
    assert differing(base, copied) == ["versions"]
    assert row in [(name, second) for name, _, second in compared(base, copied)["versions"].rows]


def test_uncommitted_changes_cannot_be_called_the_same(copied):
    edit_json(copied, "run.json", git={"commit": "a" * 40, "dirty": True})
    section = compared(copied, copied)["versions"]
    assert not section.differs
    assert "uncommitted" in section.caveats[0]
    assert "bit for bit" not in format_diff(copied, copied, [section])


def test_a_task_of_other_symbols_differs_though_its_settings_do_not(base, copied):
    edit_json(copied, "run.json", fingerprint="0123")
    assert differing(base, copied) == ["fingerprint"]


def test_not_a_number_is_not_a_number_in_both(base, copied, tmp_path):
    nan = float("nan")
    edit_json(copied, "results.json", val={"loss": nan})
    edit(copied, "metrics.csv", str(base.rows[0]["train/loss"]), "nan")
    edit_weights(copied, lambda state: next(iter(state.values())).fill_(nan))
    again = Run(shutil.copytree(copied.path, tmp_path / "again"))
    assert differing(copied, again) == []
    assert differing(base, copied) == ["results", "curve", "weights"]
    assert "inf, in cell.cells.0.input_weight" in compared(base, copied)["weights"].remarks[0]


def test_a_breakdown_that_differs_is_named_and_not_spread_out(copied, tmp_path):
    edit_json(copied, "results.json", breakdown={"by_length": {"1": 0.5, "2": 0.5}, "other": {}})
    again = Run(shutil.copytree(copied.path, tmp_path / "again"))
    edit_json(again, "results.json", breakdown={"by_length": {"1": 0.5, "2": 0.6}, "other": {}})
    section = compared(copied, again)["results"]
    assert section.rows == []
    assert section.remarks == ["breakdowns that differ: by_length"]


def test_of_a_curve_that_was_cut_the_missing_steps_are_named(base, copied):
    text = (base.path / "metrics.csv").read_text().splitlines(keepends=True)
    (copied.path / "metrics.csv").write_text("".join(text[:3]))
    assert differing(base, copied) == ["curve"]
    assert compared(base, copied)["curve"].remarks == [
        "only the first run has steps 3 to 4, 2 in all"
    ]
    (copied.path / "metrics.csv").write_text("".join(text[:4]))
    assert compared(copied, base)["curve"].remarks == ["only the second run has step 4"]


def test_of_curves_that_diverge_the_first_step_and_metric_are_named(base, copied):
    losses = [row["train/loss"] for row in base.rows]
    edit(copied, "metrics.csv", str(losses[2]), "7.5")
    edit(copied, "metrics.csv", str(losses[3]), "8.5")
    section = compared(base, copied)["curve"]
    assert section.name == "curve at step 3"
    assert section.rows == [Row("train/loss", losses[2], 7.5)]
    assert section.remarks == ["the first of 2 steps that differ, of 4 that both have"]


def test_the_smallest_difference_of_one_weight_is_found(base, copied):
    def nudge(state: dict[str, Any]) -> None:
        weight = state["model.readout.weight"]
        weight[1, 2] = weight[1, 2].nextafter(torch.tensor(9.0))

    edit_weights(copied, nudge)
    assert differing(base, copied) == ["weights"]
    (remark,) = compared(base, copied)["weights"].remarks
    assert re.match(
        r"1 of 5 tensors differ; the largest absolute difference is \S+e-\d+, in readout.weight",
        remark,
    )


def test_the_largest_of_the_differences_between_weights_is_named(base, copied):
    def add(state: dict[str, Any]) -> None:
        state["model.readout.bias"][3] += 0.5
        state["model.readout.weight"][0, 0] += 0.25

    edit_weights(copied, add)
    (remark,) = compared(base, copied)["weights"].remarks
    assert remark.startswith("2 of 5 tensors differ")
    assert remark.endswith(" 0.5, in readout.bias")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_in_both_is_no_distance(copied, tmp_path, value):
    edit_weights(copied, lambda state: state["model.readout.bias"].fill_(value)[0].fill_(0.5))
    other = Run(shutil.copytree(copied.path, tmp_path / "other"))
    edit_weights(other, lambda state: state["model.readout.bias"][0].fill_(0.75))
    (remark,) = compared(copied, other)["weights"].remarks
    assert remark.endswith(" 0.25, in readout.bias")


def test_bits_are_compared_and_not_numbers(copied, tmp_path):
    edit_weights(copied, lambda state: state["model.readout.bias"].fill_(0.0))
    other = Run(shutil.copytree(copied.path, tmp_path / "other"))
    edit_weights(other, lambda state: state["model.readout.bias"].fill_(-0.0))
    assert differing(copied, other) == ["weights"]


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("run.json", ["versions", "fingerprint"]),
        ("results.json", ["results"]),
        ("metrics.csv", ["curve"]),
        ("checkpoints/best.ckpt", ["weights"]),
    ],
)
def test_what_one_run_alone_has_is_a_difference_and_what_none_has_is_not(base, copied, file, parts):
    (copied.path / file).unlink()
    sections = compared(copied, base)
    assert differing(copied, base) == parts
    assert all("only the second run has" in sections[part].remarks[0] for part in parts)
    assert differing(copied, copied) == []
    neither = list(compared(copied, copied).values())
    said = format_diff(copied, copied, neither)
    assert said.count("neither run has") == len(parts)
    same = [part for part in PARTS if part not in parts]
    assert said.endswith(f"the same bit for bit: {', '.join(same)}")


def test_a_run_that_has_just_begun_is_compared(base, tmp_path):
    begun = Run.create(compose(tiny(tmp_path)))
    assert {"results", "curve", "weights"} <= set(differing(base, begun))
    assert "settings" not in differing(base, begun)
    said = format_diff(base, begun, compare(base, begun, ["results"]))
    assert said.endswith("results\n  only the first run has results.json")


def test_a_checkpoint_that_is_none_is_refused(base, copied):
    (copied.path / "checkpoints" / "best.ckpt").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"best\.ckpt can't be read as a checkpoint"):
        compare(base, copied, ["weights"])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (0.123456, 0.5, "0.1235 0.5 +0.3765"),
        (0.123456, 0.123457, "0.123456 0.123457 +1e-06"),
        (1.0, 1.0 + 2**-52, "1 1.0000000000000002 +2.22e-16"),
        (0.25, 0.25, "0.25 0.25 0"),
        (100_000, 100_001, "100000 100001 +1"),
        (float("nan"), 1.0, "nan 1"),
    ],
)
def test_numbers_have_as_many_digits_as_tell_them_apart(base, first, second, said):
    section = Section("results", [Row("test/loss", first, second)], measured=True)
    line = format_diff(base, base, [section]).splitlines()[-1]
    assert line.split() == ["test/loss", *said.split()]


def test_settings_are_spelt_so_that_they_look_different(base):
    rows = [Row("a", "1", 1), Row("b", None, "null"), Row("c", True, [0.9, 1]), Row("d", "", "x")]
    *_, a, b, c, d = format_diff(base, base, [Section("settings", rows)]).splitlines()
    assert a.split() == ["a", '"1"', "1"]
    assert b.split() == ["b", "null", '"null"']
    assert c.split() == ["c", "true", "[0.9,", "1]"]
    assert d.split() == ["d", '""', "x"]


def test_values_that_are_too_wide_stand_below_each_other(base):
    rows = [Row("task.path", "p" * 70, "q" * 70), Row("seed", 0, 1)]
    said = format_diff(base, base, [Section("settings", rows)])
    assert said.endswith(
        "settings     first  second\n"
        f"  task.path  {'p' * 70}\n"
        f"                    {'q' * 70}\n"
        "  seed       0      1"
    )
