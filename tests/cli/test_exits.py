"""Exit statuses and error messages."""

import signal
import subprocess
import sys

import pytest

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError, Diverged, Interrupted, RunLost
from rnnlab.runs.run import Run
from tests.calls import PATIENCE
from tests.cli.test_train import ROOT


def ending(error: BaseException):
    def body() -> None:
        raise error

    return body


def test_a_command_that_ends_well_has_status_0():
    command("rnnlab-x", lambda: None)


def test_a_wrong_setting_is_status_2_with_the_command_before_each_line(capsys):
    with pytest.raises(SystemExit) as end:
        command("rnnlab-x", ending(ConfigError("a is wrong\nb is wrong")))
    assert end.value.code == 2
    assert capsys.readouterr().err == "rnnlab-x: a is wrong\nrnnlab-x: b is wrong\n"


def test_an_interrupt_is_status_130(capsys):
    with pytest.raises(SystemExit) as end:
        command("rnnlab-x", ending(KeyboardInterrupt()))
    assert end.value.code == 130
    assert capsys.readouterr().err == "rnnlab-x: interrupted\n"


def test_a_command_that_is_terminated_has_status_143(capsys):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        command("rnnlab-x", lambda: signal.raise_signal(signal.SIGTERM))
    assert end.value.code == 143
    assert capsys.readouterr().err == "rnnlab-x: terminated\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("error", "status"), [(Diverged("nan"), 3), (RunLost("gone"), 1), (Interrupted("x", 143), 143)]
)
def test_other_ends_have_a_line_and_a_status_of_their_own(error, status, capsys):
    with pytest.raises(SystemExit) as end:
        command("rnnlab-x", ending(error))
    assert end.value.code == status
    assert capsys.readouterr().err == f"rnnlab-x: {error}\n"


def test_a_bug_is_not_hidden():
    with pytest.raises(ValueError, match="a bug"):
        command("rnnlab-x", ending(ValueError("a bug")))


def test_a_reader_that_leaves_early_is_no_error():
    code = "from rnnlab.cli.exits import command; command('x', lambda: print('line\\n' * 100000))"
    done = subprocess.run(
        ["sh", "-c", f'("{sys.executable}" -c "{code}"; echo $? >&2) | head -1'],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "line\n"
    assert done.stderr == "0\n"


@pytest.mark.thorough
def test_ctrl_c_in_training_is_status_130_and_the_card_says_so(tmp_path):
    words = ["model=elman", "task=copy", "trainer.max_steps=1000000", f"output_dir={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "train.py"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("step 1/")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    (path,) = tmp_path.glob("*/*/*")
    step = Run.load(path).card["sessions"][0]["last_step"]
    assert step > 0
    assert err.splitlines()[-1] == (
        f"rnnlab-train: interrupted, saved at update {step}; go on with: rnnlab-train resume={path}"
    )
    assert "Traceback" not in err
    assert Run.load(path).card["status"] == "interrupted"


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "--help"),
        ("predict", "run=nowhere"),
        ("export", "--help"),
        ("export", "run=nowhere", "to=onnx", "output=x"),
        ("runs", "nowhere"),
    ],
    ids=" ".join,
)
def test_what_needs_no_model_waits_for_no_torch(words):
    name, *rest = words
    code = (
        f"import sys; from rnnlab.cli.{name} import main\n"
        f"sys.argv = {['rnnlab-' + name, *rest]!r}\n"
        "try: main()\n"
        "finally: assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "AssertionError" not in done.stderr
    assert done.returncode == (0 if "--help" in rest else 2)
