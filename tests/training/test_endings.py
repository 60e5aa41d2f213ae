"""Trainings that fail: divergence, signals, a full disk, a run directory that is gone."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

import rnnlab
from rnnlab.cli.train import main
from rnnlab.errors import Diverged, Interrupted, RunLost
from rnnlab.files import checkpoint
from rnnlab.inference.evaluate import Evaluator
from rnnlab.runs.run import Run
from rnnlab.training.callbacks import DivergenceCheck
from rnnlab.training.module import SequenceModule
from tests.calls import PATIENCE
from tests.small_runs import COPY, ELMAN, tiny

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
NAN = float("nan")
LONG = ["trainer.max_steps=12", "trainer.val_every=4"]


def the_run(out: Path) -> Run:
    (path,) = out.glob("*/*/*")
    return Run.load(path)


@pytest.fixture
def break_at(monkeypatch: pytest.MonkeyPatch):
    """Give a function that makes the loss, or else the gradient alone, not finite at an update."""

    def break_at(step: int, value: float, *, gradient: bool) -> None:
        method = "configure_gradient_clipping" if gradient else "training_step"
        take = getattr(SequenceModule, method)

        def broken(module, *given):
            if module.global_step + 1 != step:
                return take(module, *given)
            if gradient:
                for parameter in module.trained():
                    parameter.grad *= value
                return take(module, *given)
            outputs = take(module, *given)
            return outputs | {name: outputs[name] * value for name in ("loss", "mean")}

        monkeypatch.setattr(SequenceModule, method, broken)

    return break_at


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_loss_that_is_not_finite_ends_training_before_it_is_saved(tmp_path, break_at, value):
    break_at(6, value, gradient=False)
    with pytest.raises(Diverged) as error:
        rnnlab.train(tiny(tmp_path, *LONG))
    run = the_run(tmp_path)
    assert str(error.value).startswith(f"the training loss is {value} at update 6 (")
    for part in ("optimizer.lr (now 0.003)", "trainer.clip_norm (now 1)", "saved at update 4"):
        assert part in str(error.value)
    assert run.card["status"] == "diverged"
    saved = checkpoint.read(run.path / "checkpoints/last.ckpt")
    assert saved["global_step"] == 4
    assert all(value.isfinite().all() for value in saved["state_dict"].values())
    assert not (run.path / "results.json").exists()
    assert run.rows[-1]["step"] == 5


def test_a_gradient_that_is_not_finite_is_distinguished_from_a_loss(tmp_path, break_at):
    break_at(6, float("inf"), gradient=True)
    with pytest.raises(Diverged, match=r"^the gradient's norm is (inf|nan) at update 6 \("):
        rnnlab.train(tiny(tmp_path, *LONG, "trainer.clip_norm=null"))


def test_where_a_check_synchronises_all_updates_are_checked_before_a_checkpoint(
    tmp_path, break_at, monkeypatch
):
    looks = []
    check = DivergenceCheck.check

    def counted(self, trainer):
        looks.append(trainer.global_step)
        check(self, trainer)

    monkeypatch.setattr(DivergenceCheck, "check", counted)
    monkeypatch.setattr("rnnlab.training.callbacks.divergence._is_free", lambda _: False)
    break_at(6, NAN, gradient=False)
    with pytest.raises(Diverged, match="at update 6"):
        rnnlab.train(tiny(tmp_path, *LONG, "trainer.log_every=100"))
    assert 5 not in looks
    assert checkpoint.read(the_run(tmp_path).path / "checkpoints/last.ckpt")["global_step"] == 4


def test_a_validation_loss_that_is_not_finite_is_never_the_best(tmp_path, monkeypatch):
    compute = Evaluator.compute
    monkeypatch.setattr(Evaluator, "compute", lambda self: compute(self) | {"loss": -float("inf")})
    monkeypatch.setattr("rnnlab.training.prepare.check_metrics", lambda _: None)
    with pytest.raises(Diverged, match=r"^the validation loss is -inf at update 4"):
        rnnlab.train(tiny(tmp_path, *LONG))
    assert not (the_run(tmp_path).path / "checkpoints/best.ckpt").exists()


def test_the_same_diverged_run_diverges_again_when_resumed(tmp_path, break_at):
    break_at(6, NAN, gradient=False)
    with pytest.raises(Diverged):
        rnnlab.train(tiny(tmp_path, *LONG))
    with pytest.raises(Diverged, match="at update 6"):
        rnnlab.resume(the_run(tmp_path).path)


@pytest.mark.slow
def test_what_one_of_two_processes_meets_inside_an_update_ends_both(tmp_path):
    """The loss of one share of one batch; nothing of it has reached the other process yet."""
    script = tmp_path / "broken.py"
    script.write_text(
        "import os\n"
        "from rnnlab.cli.train import main\n"
        "from rnnlab.training.module import SequenceModule\n"
        "take = SequenceModule.training_step\n"
        "def broken(module, batch, index):\n"
        "    outputs = take(module, batch, index)\n"
        "    if os.environ.get('LOCAL_RANK') == '1' and index == 9:\n"
        "        outputs |= {name: outputs[name] * float('nan') for name in ('loss', 'mean')}\n"
        "    return outputs\n"
        "SequenceModule.training_step = broken\n"
        "main()\n"
    )
    words = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.accumulate=4"]
    words += ["trainer.val_every=4"]
    line = [sys.executable, str(script), *tiny(tmp_path / "runs", *words)]
    both = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, err = both.communicate(timeout=PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(both.pid, signal.SIGKILL)
    assert both.returncode == 3, err
    assert "the training loss is nan at update 3" in err
    assert the_run(tmp_path / "runs").card["status"] == "diverged"


def test_a_process_ends_by_what_another_has_met(monkeypatch):
    met = [(7, False, "the loss, later"), None, (6, True, "its gradient"), (6, False, "the loss")]
    monkeypatch.setattr(
        "rnnlab.training.callbacks.divergence.all_gather", lambda mine: [mine, *met]
    )
    agree = SimpleNamespace(reduce_boolean_decision=lambda mine, all: not mine and not all)
    with pytest.raises(Diverged, match=r"^the loss$"):
        DivergenceCheck(1).check(SimpleNamespace(strategy=agree))


def start(*words: str, **options) -> subprocess.Popen[str]:
    """Begin training in a process of its own; returns when the first update is done."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/train.py"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("step 1/")
    return process


ENDLESS = ["trainer.max_steps=1000000", "trainer.val_every=100"]


def test_sigterm_saves_says_how_to_go_on_and_is_status_143(tmp_path):
    process = start(*tiny(tmp_path, *ENDLESS))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    run = the_run(tmp_path)
    step = checkpoint.read(run.path / "checkpoints/last.ckpt")["global_step"]
    assert process.returncode == 143
    assert err.splitlines()[-1] == (
        f"rnnlab-train: terminated, saved at update {step}; "
        f"go on with: rnnlab-train resume={run.path}"
    )
    assert (run.card["status"], run.card["sessions"][-1]["last_step"]) == ("interrupted", step)


def test_a_second_ctrl_c_stops_at_once(tmp_path, monkeypatch):
    take = SequenceModule.training_step

    def twice(module, batch, index):
        if module.global_step == 6:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return take(module, batch, index)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(SequenceModule, "training_step", twice)
    with pytest.raises(Interrupted, match="saved at update 4") as error:
        rnnlab.train(tiny(tmp_path, *LONG))
    assert error.value.status == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert the_run(tmp_path).card["status"] == "interrupted"


def test_a_signal_in_the_last_update_leaves_only_the_scores_to_do(tmp_path, monkeypatch):
    take = SequenceModule.training_step

    def last(module, batch, index):
        if module.global_step == 11:
            signal.raise_signal(signal.SIGINT)
        return take(module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(SequenceModule, "training_step", last)
        with pytest.raises(Interrupted, match="saved at update 12"):
            rnnlab.train(tiny(tmp_path, *LONG))
    monkeypatch.setattr(SequenceModule, "training_step", refuse)
    assert rnnlab.resume(the_run(tmp_path).path).results["steps"] == 12


def test_a_directory_that_is_deleted_is_one_line_and_status_1(tmp_path):
    process = start(*tiny(tmp_path, *ENDLESS))
    path = the_run(tmp_path).path
    time.sleep(0.3)
    while path.exists():  # against a process that writes there
        shutil.rmtree(path, ignore_errors=True)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert (
        err.splitlines()[-1] == f"rnnlab-train: the run directory {path} is gone: training stopped"
    )
    assert "Traceback" not in err
    assert not path.exists()


def test_a_full_disk_is_one_line_and_loses_nothing_that_was_saved(tmp_path):
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    words = tiny(tmp_path, "trainer.max_steps=2000", "trainer.val_every=10")
    process = start(*words, preexec_fn=little_room)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, err
    last = err.splitlines()[-1]
    assert "File too large" in last
    assert "Traceback" not in err
    run = the_run(tmp_path)
    saved = checkpoint.read(run.path / "checkpoints/last.ckpt")["global_step"]
    assert f"saved at update {saved}; go on with: rnnlab-train resume={run.path}" in last
    assert not list(run.path.rglob("*.part"))
    whole = rnnlab.train(tiny(tmp_path / "whole", "trainer.max_steps=30", "trainer.val_every=10"))
    assert run.rows[: len(whole.rows)] == whole.rows


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_directory_that_cannot_be_written_is_refused(tmp_path, run_main):
    tmp_path.chmod(0o500)
    status, out, err = run_main(main, "rnnlab-train", *tiny(tmp_path / "out"))
    tmp_path.chmod(0o700)
    assert (status, out) == (2, "")
    assert "output_dir must be a directory to write in" in err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no such directory here")
def test_not_even_root_writes_where_nobody_may(run_main):
    status, out, err = run_main(main, "rnnlab-train", *ELMAN, *COPY, "output_dir=/proc/none")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "output_dir must be a directory to write in" in err


def test_a_run_that_cannot_be_written_any_more_is_not_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnlab.training.train.write_results", refuse)
    with pytest.raises(RunLost, match=r"No space left(.|\n)*resume="):
        rnnlab.train(tiny(tmp_path))
    assert the_run(tmp_path).card["status"] == "failed"


def refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")
