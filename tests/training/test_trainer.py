"""Budgets, devices, precisions and updates of the trainer."""

import os
from pathlib import Path

import pytest
import torch

import rnnlab
from rnnlab.config.build import build
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.experiment.settings import TrainerSettings
from rnnlab.runs.run import Run
from tests.small_runs import assemble, tiny

SGD = ["optimizer=sgd", "optimizer.momentum=0", "optimizer.lr=0.5", "trainer.clip_norm=null"]


def training(*words: str) -> TrainerSettings:
    return build("trainer", compose(list(words)).trainer)


def weights(run: Run, checkpoint: str = "last") -> torch.Tensor:
    saved = torch.load(run.path / "checkpoints" / f"{checkpoint}.ckpt", weights_only=True)
    return torch.cat([value.flatten() for value in saved["state_dict"].values()])


def initial_weights(words: list[str]) -> torch.Tensor:
    return torch.cat([value.flatten() for value in assemble(words).model.state_dict().values()])


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["trainer.max_steps=7"], 7),
        (["trainer.max_steps=7", "trainer.max_sequences=12"], 3),
        (["trainer.max_steps=7", "trainer.max_sequences=13"], 3),
        (["trainer.max_steps=7", "trainer.max_sequences=1"], 1),
        (["trainer.max_steps=2", "trainer.max_sequences=1000"], 2),
        (["trainer.max_steps=7", "trainer.max_sequences=12", "trainer.accumulate=2"], 1),
    ],
)
def test_the_first_budget_that_is_exhausted_counts(words, steps):
    assert training(*words).total_steps(4) == steps


@pytest.mark.parametrize(
    ("words", "batch_size", "said"),
    [
        (["trainer.devices=3"], 4, "data.batch_size must be a multiple of trainer.devices=3"),
        (["trainer.precision=16-mixed"], 4, "trainer.precision=16-mixed needs trainer=gpu"),
        (["trainer=gpu", "trainer.devices=99"], 99, "trainer.devices=99 needs as many CUDA"),
    ],
)
def test_what_cannot_run_here_is_refused(words, batch_size, said):
    with pytest.raises(ConfigError, match=said):
        training(*words).check(batch_size)


def test_a_run_ends_with_its_budget_of_sequences(tmp_path):
    run = rnnlab.train(tiny(tmp_path, "trainer.max_sequences=12", "trainer.max_steps=100"))
    assert run.results["steps"] == 3
    assert run.results["sequences"] == 12
    assert [row["step"] for row in run.rows if "val/loss" in row] == [2, 3]


def test_a_run_ends_when_its_minutes_are_over_with_a_validated_checkpoint(tmp_path):
    run = rnnlab.train(
        tiny(
            tmp_path,
            "trainer.max_minutes=0.00001",
            "trainer.max_steps=100000",
            "trainer.val_every=100000",
        )
    )
    assert run.card["status"] == "finished"
    assert run.results["steps"] < 100
    assert any("val/loss" in row for row in run.rows)


def test_a_run_without_a_new_best_stops_after_its_patience(tmp_path):
    words = ["trainer.patience=2", "optimizer.lr=1e-20", "trainer.max_steps=100"]
    run = rnnlab.train(tiny(tmp_path, *words))
    assert [row["step"] for row in run.rows if "val/loss" in row] == [2, 4, 6]
    assert run.results["best_step"] == 2


@pytest.mark.parametrize(("monitor", "rises"), [("val/loss", False), ("val/accuracy", True)])
def test_patience_knows_which_values_are_better(tmp_path, monitor, rises):
    words = [f"monitor={monitor}", "trainer.patience=2", "debug=overfit"]
    budget = ["optimizer.lr=0.03", "trainer.max_steps=20", "trainer.val_every=5"]
    run = rnnlab.train(tiny(tmp_path, *words, *budget))
    values = [row[monitor] for row in run.rows if monitor in row]
    assert len(values) == 4
    assert (values[0] < values[2]) == rises


def test_plateau_lowers_the_rate_when_validation_gets_no_better(tmp_path):
    words = ["scheduler=plateau", "scheduler.patience=0", "optimizer.lr=1e-6"]
    run = rnnlab.train(tiny(tmp_path, *words, "trainer.max_steps=8"))
    rates = [row["train/learning_rate"] / 1e-6 for row in run.rows]
    assert rates == pytest.approx([1, 1, 1, 1, 0.3, 0.3, 0.09, 0.09])


def test_a_cosine_runs_over_the_updates_of_the_run(tmp_path):
    words = ["scheduler=cosine", "trainer.max_sequences=16", "trainer.max_steps=100"]
    run = rnnlab.train(tiny(tmp_path, *words))
    rates = [row["train/learning_rate"] / 0.003 for row in run.rows]
    # logged after the scheduler has moved on to the next update
    assert rates == pytest.approx([0.8535534, 0.5, 0.1464466, 0.0], abs=1e-6)


def test_two_batches_an_update_are_one_of_twice_the_size(tmp_path):
    once = rnnlab.train(tiny(tmp_path, *SGD, "data.train_size=16", "data.batch_size=8"))
    twice = rnnlab.train(tiny(tmp_path, *SGD, "data.train_size=16", "trainer.accumulate=2"))
    assert (once.results["steps"], twice.results["steps"]) == (4, 4)
    assert once.results["sequences"] == twice.results["sequences"] == 32
    torch.testing.assert_close(weights(once), weights(twice), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights(once), initial_weights(tiny(tmp_path)))
    for one, two in zip(once.rows, twice.rows, strict=True):
        assert one["train/loss"] == pytest.approx(two["train/loss"], rel=1e-5)
        assert one["train/grad_norm"] == pytest.approx(two["train/grad_norm"], rel=1e-4)


def test_an_update_goes_no_further_than_the_clipped_gradient_and_the_log_says_the_true_norm(
    tmp_path,
):
    free = rnnlab.train(tiny(tmp_path, *SGD, "trainer.max_steps=1"))
    clipped = rnnlab.train(
        tiny(tmp_path, *SGD[:3], "trainer.max_steps=1", "trainer.clip_norm=0.01")
    )
    norms = [run.rows[0]["train/grad_norm"] for run in (free, clipped)]
    assert norms[0] == norms[1] > 0.02
    start = initial_weights(tiny(tmp_path))
    moves = [float((weights(run) - start).norm()) for run in (free, clipped)]
    assert moves == pytest.approx([0.5 * norms[0], 0.5 * 0.01], rel=1e-3)


def test_overfitting_trains_and_validates_on_one_batch(tmp_path):
    words = ["debug=overfit", "optimizer.lr=0.03", "trainer.max_steps=40", "trainer.val_every=20"]
    run = rnnlab.train(tiny(tmp_path, *words))
    validated = [row["val/loss"] for row in run.rows if "val/loss" in row]
    after = [row["train/loss"] for row in run.rows if row["step"] == 21]
    assert validated[0] == pytest.approx(after[0], rel=1e-5)
    assert validated[-1] < 0.3
    assert run.results["val"] == run.results["test"]


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
@pytest.mark.parametrize("task", ["copy", "addition_marked"])
def test_each_precision_trains_and_is_scored(tmp_path: Path, precision, task):
    words = ["task=addition_marked"] if task == "addition_marked" else []
    words = [w for w in tiny(tmp_path) if not (words and w.startswith("task"))] + words
    run = rnnlab.train([*words, f"trainer.precision={precision}", "model=lstm"][1:])
    assert run.card["status"] == "finished"
    assert next(run.model.parameters()).dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("task", ["copy", "next_char", "oscillation", "translation"])
@pytest.mark.parametrize("model", ["elman", "lstm", "seq2seq"])
def test_a_run_on_a_gpu_finishes_and_is_used_again_without_one(tmp_path, model, task):
    words = [f"model={model}", f"task={task}", "debug=smoke", f"output_dir={tmp_path}"]
    run = rnnlab.train([*words, "trainer=gpu"])
    assert run.card["device"].startswith("cuda")
    assert run.card["status"] == "finished"
    assert next(run.model.parameters()).device.type == "cpu"


_JOBS = {
    "slurm": {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "SLURM_PROCID": "1"},
    "lsf": {
        "LSB_JOBID": "1",
        "LSB_DJOB_RANKFILE": "/no/such/file",
        "JSM_NAMESPACE_LOCAL_RANK": "1",
        "JSM_NAMESPACE_SIZE": "4",
    },
    "torchrun": {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": "1", "GROUP_RANK": "0"},
}


@pytest.mark.parametrize("job", _JOBS)
def test_one_device_is_alone_in_whatever_job_of_a_cluster(tmp_path, monkeypatch, job):
    for name, value in _JOBS[job].items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    Path("hpc_ckpt_1.ckpt").write_text("of another training", encoding="utf-8")
    run = rnnlab.train(tiny(tmp_path / "out"))
    assert run.is_finished
    assert [row["step"] for row in run.rows] == [1, 2, 3, 4]


def test_several_devices_in_a_job_that_is_laid_out_for_others_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_JOB_NAME", "x")
    words = ["trainer=ddp", "trainer.accelerator=cpu"]
    with pytest.raises(ConfigError, match=r"trainer.devices=2 doesn't go with .* `--ntasks=4`"):
        rnnlab.train(tiny(tmp_path, *words))
    assert list(tmp_path.iterdir()) == []
