"""A whole run: what it leaves behind, that it repeats, and that the test split is asked last."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import rnnlab
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import evaluate
from rnnlab.runs.run import Run
from rnnlab.spec import Split
from rnnlab.tasks import Copy
from rnnlab.training import prepare as preparing
from rnnlab.training import train as training
from rnnlab.training.module import SequenceModule
from tests.small_runs import COPY, SMALL, assemble, tiny, tiny_text

SCORES = ["loss", "accuracy", "exact_match"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny_text(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def picture_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    words = ["task=oscillation", "model=seq2seq", "model.attention=dot", *SMALL]
    small = ["model.encoder.cell.hidden_size=8", "model.decoder.cell.hidden_size=8"]
    out = tmp_path_factory.mktemp("runs")
    return rnnlab.train(
        [*words, *small, "task.length=10", "task.eval_periods=1", f"output_dir={out}"]
    )


@pytest.fixture
def _restored_interrupts():
    """Lightning switches Ctrl-C off once it has seen one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def events(run: Run) -> EventAccumulator:
    accumulator = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    return accumulator.Reload()


def test_a_run_directory_holds_all_that_is_promised(run):
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "run.json",
        "metrics.csv",
        "results.json",
        "samples.md",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
    } <= names
    rest = {name for name in names if not name.startswith((".lock", "checkpoints", "events.out"))}
    assert rest == {
        "config.yaml",
        "run.json",
        "metrics.csv",
        "results.json",
        "samples.md",
        "figures/picture.png",
    }
    assert len([name for name in names if name.startswith("events.out")]) == 1


def test_the_card_says_how_it_ended_and_where_it_ran(run):
    card = run.card
    assert card["status"] == "finished"
    assert card["started"] <= card["ended"]
    assert card["device"] == "cpu"
    assert card["parameters"] == sum(p.numel() for p in run.model.parameters())


def test_results_hold_scores_floor_and_costs(run):
    results = run.results
    for split in ("val", "test"):
        assert list(results[split]) == SCORES
    assert set(results["train"]) == {*SCORES, "grad_norm", "learning_rate"}
    assert results["floor"]["loss"] == pytest.approx(np.log(8))
    assert (results["task"], results["model"]) == ("copy", "elman")
    assert (results["steps"], results["sequences"]) == (4, 16)
    assert results["best_step"] in (2, 4)
    assert run.card["seconds"] > 0
    assert run.card["cpu_seconds"] > 0
    assert json.loads((run.path / "results.json").read_text()) == results


def test_the_curve_has_training_at_every_update_and_validation_beside_it(run):
    assert [row["step"] for row in run.rows] == [1, 2, 3, 4]
    assert ["val/loss" in row for row in run.rows] == [False, True, False, True]
    with (run.path / "metrics.csv").open(newline="") as file:
        heading = next(csv.reader(file))
    assert heading == [
        "step",
        *(f"train/{name}" for name in [*SCORES, "grad_norm", "learning_rate"]),
        *(f"val/{name}" for name in SCORES),
    ]
    best = min(row["val/loss"] for row in run.rows if "val/loss" in row)
    assert run.results["val"]["loss"] == pytest.approx(best, rel=1e-6)


def test_training_is_logged_at_the_last_update_too(tmp_path):
    found = rnnlab.train(tiny(tmp_path, "trainer.log_every=3"))
    assert [row["step"] for row in found.rows if "train/loss" in row] == [3, 4]


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_are_tensors_and_plain_containers(run, name):
    checkpoint = torch.load(run.path / "checkpoints" / f"{name}.ckpt", weights_only=True)
    assert set(checkpoint["state_dict"]) == {
        f"model.{name}" for name in run.model.state_dict(keep_vars=True)
    }


def test_a_reader_of_a_text_saves_its_carried_state(text_run):
    checkpoint = torch.load(text_run.path / "checkpoints/last.ckpt", weights_only=True)
    (process,) = checkpoint["processes"]
    assert [leaf.shape for leaf in process["carried"]] == [(4, 8)]


@pytest.mark.parametrize("kind", ["run", "text_run", "picture_run"])
def test_a_loaded_model_scores_what_the_run_said(kind, request):
    found: Run = request.getfixturevalue(kind)
    loaded = rnnlab.load(str(found.path))
    assert not loaded.model.training
    for split in ("val", "test"):
        experiment = loaded.experiment
        scores = evaluate(experiment.model, experiment.task, experiment.batches(split)).compute()
        assert scores == found.results[split]


def test_best_and_last_are_the_weights_of_their_updates(tmp_path):
    found = rnnlab.train(tiny(tmp_path, "optimizer.lr=0.5", "trainer.max_steps=12"))
    values = {row["step"]: row["val/loss"] for row in found.rows if "val/loss" in row}
    assert found.results["best_step"] == min(values, key=values.get) < 12
    last = found.open([], "last")
    scores = evaluate(last.model, last.task, last.batches("val")).compute()
    assert scores["loss"] == pytest.approx(values[12], rel=1e-6)


def test_a_metric_that_is_better_at_its_highest_chooses_so(tmp_path):
    words = ["monitor=val/accuracy", "optimizer.lr=0.5", "trainer.max_steps=12"]
    found = rnnlab.train(tiny(tmp_path, *words))
    values = [row["val/accuracy"] for row in found.rows if "val/accuracy" in row]
    assert len(set(values)) > 1
    assert found.results["val"]["accuracy"] == pytest.approx(max(values))


def test_tensorboard_has_few_and_clean_tags(run):
    tags = events(run).Tags()
    assert set(tags["scalars"]) == {
        *(f"{split}/{name}" for split in ("train", "val") for name in SCORES),
        *(f"with_best_weights/test_{name}" for name in SCORES),
        "train/grad_norm",
        "train/learning_rate",
        "time/steps_per_second",
        "time/symbols_per_second",
    }
    hidden = {tag for tag in tags["tensors"] if tag.startswith("_hparams_")}
    assert set(tags["tensors"]) - hidden == {
        "custom_scalars__config__",  # which charts belong together
        "val/samples/text_summary",
        "with_best_weights/test_samples/text_summary",
    }
    assert set(tags["images"]) == {"val/picture", "with_best_weights/test_picture"}
    (charts,) = events(run).Tensors("custom_scalars__config__")
    assert b"(train|val)/(free_)?(accuracy|exact_match)" in charts.tensor_proto.string_val[0]


def test_tensorboard_and_metrics_csv_agree(run):
    found = events(run)
    for name in ("train/loss", "val/loss", "val/exact_match"):
        curve = {row["step"]: row[name] for row in run.rows if name in row}
        assert {e.step: e.value for e in found.Scalars(name)} == pytest.approx(curve)
    (score,) = found.Scalars("with_best_weights/test_loss")
    assert score.value == pytest.approx(run.results["test"]["loss"])


def test_tensorboard_shows_pictures_and_where_attention_was(picture_run):
    tags = events(picture_run).Tags()
    assert set(tags["images"]) == {
        "val/samples",
        "val/attention_map",
        "with_best_weights/test_samples",
        "with_best_weights/test_attention_map",
    }
    figures = {path.name for path in (picture_run.path / "figures").iterdir()}
    assert figures == {"samples.png", "attention_map.png"}
    text = (picture_run.path / "samples.md").read_text()
    assert all(f"](figures/{name})" in text for name in figures)


def test_tensorboards_hparams_hold_settings_and_test_scores(run):
    summary = events(run).summary_metadata["_hparams_/session_start_info"]
    content = summary.plugin_data.content
    for setting in (b"model.cell.hidden_size", b"task.delay", b"optimizer.lr", b"seed", b"elman"):
        assert setting in content
    for other in (b"_target_", b"output_dir", b"choices", b"trainer.patience"):
        assert other not in content


def test_final_scores_and_pictures_come_behind_all_curves_in_tensorboard(run):
    tags = events(run).Tags()
    shown = [tag for kind in ("scalars", "images") for tag in tags[kind]]
    assert sorted({tag.partition("/")[0] for tag in shown} | {"watch"})[-1] == "with_best_weights"
    assert "test" not in {tag.partition("/")[0] for tag in shown}


def test_the_first_columns_of_hparams_are_what_one_compares(run):
    content = events(run).summary_metadata["_hparams_/experiment"].plugin_data.content
    columns = HParamsPluginData.FromString(content).experiment
    names = [info.name for info in columns.hparam_infos]
    assert names[:4] == ["model", "task", "seed", "optimizer.lr"]
    assert names[4].startswith("model.")
    assert len(names) == len(set(names))
    shown = sorted(columns.hparam_infos, key=lambda info: (not info.differs, info.name))
    assert {info.name for info in shown[:4]} == set(names[:4])  # as TensorBoard sorts them
    assert columns.metric_infos[0].name.tag == "with_best_weights/test_loss"
    assert columns.metric_infos[0].display_name == "loss"


def test_a_text_is_shown_written_and_guessed(text_run):
    text = (text_run.path / "samples.md").read_text(encoding="utf-8")
    assert text.startswith("## samples\n")
    assert "## guesses\n" in text
    assert "guess  " in text


def test_training_from_python_gives_results_model_task_and_curve(run):
    assert run.results["steps"] == 4
    assert isinstance(run.task, Copy)
    batch = run.task.sample("test", 0, 2)
    assert run.model(batch)[0].shape == (2, batch.input.shape[1], 9)
    assert run.rows[0]["train/loss"] > 0


@pytest.mark.parametrize("words", [tiny, tiny_text])
def test_a_run_repeats_whatever_ran_before_and_the_seed_changes_it(tmp_path, words):
    noisy = ["model.dropout=0.2"]
    first = rnnlab.train(words(tmp_path, *noisy))
    torch.rand(7)
    np.random.rand(3)  # noqa: NPY002
    other = rnnlab.train(words(tmp_path, *noisy, "seed=1"))
    again = rnnlab.train(words(tmp_path, *noisy))
    assert (again.path / "metrics.csv").read_bytes() == (first.path / "metrics.csv").read_bytes()
    assert again.results["test"] == first.results["test"]
    assert (again.path / "samples.md").read_text() == (first.path / "samples.md").read_text()
    assert (other.path / "metrics.csv").read_bytes() != (first.path / "metrics.csv").read_bytes()
    assert first.config == again.config


def test_training_draws_the_same_numbers_however_many_came_before(tmp_path, monkeypatch):
    first = rnnlab.train(tiny(tmp_path, "model.dropout=0.2"))
    monkeypatch.setattr(preparing, "check_metrics", lambda _: torch.rand(7))
    again = rnnlab.train(tiny(tmp_path, "model.dropout=0.2"))
    assert (again.path / "metrics.csv").read_bytes() == (first.path / "metrics.csv").read_bytes()


def test_the_seed_sets_weights_and_data_apart_from_each_other():
    one, other = assemble([*COPY, "model=elman"]), assemble([*COPY, "model=elman", "seed=1"])
    assert not torch.equal(one.data.train(0).input, other.data.train(0).input)
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    longer = assemble([*COPY, "model=elman", "data.batch_size=2", "task.delay=3"])
    pairs = zip(one.model.parameters(), longer.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_test_split_is_asked_only_when_all_is_chosen(tmp_path, monkeypatch):
    asked: list[Split | str] = []
    sample, finish = Copy.sample, training.final_scores

    def watched(task, split, index, batch_size, **length):
        asked.append(split)
        return sample(task, split, index, batch_size, **length)

    def finishing(*arguments):
        asked.append("chosen")
        return finish(*arguments)

    monkeypatch.setattr(Copy, "sample", watched)
    monkeypatch.setattr(training, "final_scores", finishing)
    rnnlab.train(tiny(tmp_path))
    chosen = asked.index("chosen")
    assert set(asked[:chosen]) == {"train", "val"}
    assert set(asked[chosen + 1 :]) == {"val", "test"}


def test_weights_don_t_depend_on_held_out_data(tmp_path):
    runs = [
        rnnlab.train(tiny(tmp_path, "data.val_size=4", "data.test_size=4")),
        rnnlab.train(tiny(tmp_path, "data.val_size=20", "data.test_size=40")),
    ]
    one, other = (run.open([], "last").model.state_dict() for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["monitor=test/loss"], "monitor must be one of val/loss, val/accuracy, val/exact_match"),
        (["monitor=val/los"], "got val/los"),
        (["task.min_length=9"], "task.min_length must be at most length=3, got 9"),
        (["optimizer.betas=[1.0,0.5]"], "optimizer: Invalid beta"),
        (["trainer=gpu", "trainer.devices=4"], "trainer.devices=4 needs as many CUDA devices"),
        (["seed=-1"], "seed must be 0 or more"),
    ],
)
def test_a_wrong_setting_leaves_nothing_behind(tmp_path, words, said):
    with pytest.raises(ConfigError, match=said):
        rnnlab.train(tiny(tmp_path, *words))
    assert list(tmp_path.iterdir()) == []


def one_card(out: Path) -> dict:
    (path,) = out.glob("*/*/*")
    return Run.load(path).card


def test_a_run_that_breaks_says_so_in_its_card(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(SequenceModule, "training_step", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        rnnlab.train(tiny(tmp_path))
    assert one_card(tmp_path)["status"] == "failed"
    assert "ended" in one_card(tmp_path)


@pytest.mark.usefixtures("_restored_interrupts")
def test_a_run_that_is_interrupted_says_so_and_keeps_its_curve(tmp_path, monkeypatch):
    step = SequenceModule.training_step

    def stopped(module, batch, index):
        if module.global_step == 3:
            raise KeyboardInterrupt
        return step(module, batch, index)

    monkeypatch.setattr(SequenceModule, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        rnnlab.train(tiny(tmp_path))
    assert one_card(tmp_path)["status"] == "interrupted"
    (path,) = tmp_path.glob("*/*/*")
    assert [row["step"] for row in Run.load(path).rows] == [1, 2, 3]


def test_an_override_after_composing_is_what_is_saved(tmp_path):
    cfg = compose(tiny(tmp_path))
    OmegaConf.update(cfg, "task.delay", 2)
    assert training.train(cfg).config.task.delay == 2


def test_sequences_are_those_that_were_trained_on_where_a_set_is_less_than_a_batch(tmp_path):
    words = [*tiny(tmp_path), "data.train_size=3", "trainer.max_sequences=9"]
    results = rnnlab.train(words).results  # three of a set of three, where a batch is four
    assert (results["steps"], results["sequences"]) == (3, 9)
