"""Callbacks of a package of one's own, in the config's `callbacks`."""

from pathlib import Path

import pytest

import rnnlab
from rnnlab.config import packages
from rnnlab.config.compose import compose
from rnnlab.ensemble import find_groups
from rnnlab.errors import ConfigError
from rnnlab.files import checkpoint
from rnnlab.runs.named_files import with_file_hashes
from rnnlab.runs.run import Run
from tests.small_runs import tiny

CODE = '''
from lightning.pytorch.callbacks import Callback

from rnnlab.ranges import DataFile


class Counter(Callback):
    """Counts the updates."""

    def __init__(self, *, start: int) -> None:
        self.count = start

    def on_train_batch_end(self, *_, **__):
        self.count += 1

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Reader(Callback):
    """Reads a file."""

    def __init__(self, *, path: DataFile) -> None:
        self.path = path


class Odd(Callback):
    """Has a state that only running code could restore."""

    def __init__(self) -> None:
        pass

    def state_dict(self):
        return {"path": Counter(start=0)}


class Telemetry(Counter):
    pass


class Later(Counter):
    def state_dict(self):
        return {"odd": Odd()} if self.count else {"count": 0}


class Adding(Callback):
    def __init__(self) -> None:
        pass

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint["mine"] = Odd()
'''
COUNTER = "+callbacks.counter={_target_:counting.Counter,start:0}"


@pytest.fixture(autouse=True)
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counting.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(packages, "_NAMED", {"counting": None})
    monkeypatch.chdir(tmp_path)


def words(out: Path, *more: str) -> list[str]:
    return tiny(out, "packages=[counting]", *more)


def counted(run: Run) -> int:
    return int(checkpoint.read(run.path / "checkpoints/last.ckpt")["callbacks"]["Counter"]["count"])


def test_a_state_goes_on_where_training_does(tmp_path: Path):
    run = rnnlab.train(words(tmp_path, COUNTER, "trainer.max_steps=4"))
    assert counted(run) == 4
    assert counted(rnnlab.resume(run.path, ["trainer.max_steps=7"])) == 7


def test_two_that_keep_their_state_under_one_name_are_refused(tmp_path: Path):
    again = COUNTER.replace("callbacks.counter", "callbacks.other")
    with pytest.raises(ConfigError, match="another callback keeps its state as"):
        rnnlab.train(words(tmp_path, COUNTER, again))
    assert not list(tmp_path.glob("*/*/run.json"))


def test_the_names_of_our_own_states_are_taken(tmp_path: Path):
    with pytest.raises(ConfigError, match="another callback keeps its state as 'Telemetry'"):
        rnnlab.train(words(tmp_path, COUNTER.replace("Counter", "Telemetry")))
    assert not list(tmp_path.glob("*/*/run.json"))


@pytest.mark.parametrize(
    ("override", "name"),
    [
        (COUNTER.replace("Counter", "Later"), r"callbacks\.Later"),
        ("+callbacks.a={_target_:counting.Adding}", "mine"),
    ],
)
def test_nothing_is_saved_that_could_not_be_read(tmp_path: Path, override: str, name: str):
    with pytest.raises(ConfigError, match=rf"^{name} in a checkpoint must be tensors"):
        rnnlab.train(words(tmp_path, override, "trainer.save_every=1"))
    assert not list(tmp_path.rglob("last.ckpt"))


def test_a_state_that_no_checkpoint_holds_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="state_dict must give tensors, numbers"):
        rnnlab.train(words(tmp_path, "+callbacks.odd={_target_:counting.Odd}"))


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("+callbacks=3", "callbacks must be a mapping, got 3"),
        ("+callbacks=[]", "callbacks must be a mapping, got []"),
        ("+callbacks=''", "callbacks must be a mapping, got ''"),
        ("+callbacks={1:2}", "callbacks must have names that are texts, got 1"),
        ("+callbacks={true:{_target_:counting.Odd}}", "names that are texts, got True"),
        ("+callbacks.x=3", "callbacks.x must be a mapping with _target_, got 3"),
        (COUNTER.replace("start", "strt"), "callbacks.counter.strt is not a setting: did you mean"),
        (COUNTER.replace("Counter", "Callback"), "must name a kind of Callback in rnnlab"),
    ],
)
def test_a_wrong_one_is_named(tmp_path: Path, override: str, problem: str):
    with pytest.raises(ConfigError) as refused:
        rnnlab.train(words(tmp_path, override))
    assert problem in str(refused.value)


def test_runs_with_callbacks_train_alone(tmp_path: Path):
    cfgs = [compose(words(tmp_path, COUNTER, f"seed={seed}")) for seed in (1, 2)]
    assert [group.reason for group in find_groups(cfgs)] == [
        "callbacks look at runs one by one"
    ] * 2


def test_a_file_that_it_names_is_a_part_of_the_run(tmp_path: Path):
    reader = "+callbacks.reader={_target_:counting.Reader,path:counting.py}"
    cfg = with_file_hashes(compose(words(tmp_path, reader)))
    assert cfg.callbacks.reader.path == str(tmp_path / "counting.py")
    assert list(cfg.files) == ["callbacks.reader.path"]
