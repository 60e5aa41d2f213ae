"""Exported directories: safetensors that give the same outputs, and a model card."""

import re
from pathlib import Path

import pytest
import torch

import rnnlab
from rnnlab.cli.export import main
from rnnlab.errors import ConfigError
from rnnlab.exports import to_onnx, weights, write
from rnnlab.exports.weights import load
from tests.small_runs import tiny, tiny_text

pytest.importorskip("safetensors", reason="the extra export is missing")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("runs")
    return {"copy": rnnlab.train(tiny(out)).path, "text": rnnlab.train(tiny_text(out)).path}


@pytest.fixture
def call(run_main, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words: str, of: str = "copy") -> tuple[int, str, str]:
        return run_main(main, "rnnlab-export", f"run={runs[of]}", *words)

    return call


@pytest.mark.parametrize("of", ["copy", "text"])
def test_exported_weights_give_the_same_outputs(call, runs, of):
    status, out, err = call("to=safetensors", "output=mine", of=of)
    assert (status, out, err) == (0, "mine\n", "")
    run, again = rnnlab.load(runs[of]), load("mine")
    batch = run.task.sample("test", 0, 2)
    with torch.no_grad():
        assert torch.equal(again.model(batch)[0], run.model(batch)[0])
    assert again.task.symbols == run.task.symbols


def test_the_card_says_what_it_is_and_where_it_was_trained_says_nothing(call, runs):
    call("to=safetensors", "output=mine")
    card = Path("mine/README.md").read_text()
    run = rnnlab.load(runs["copy"])
    assert card.startswith("# elman on copy\n")
    assert f"| accuracy | {run.results['test']['accuracy']:.4g} |" in card
    assert str(run.card["git"]["commit"]) in card
    assert 'load("mine")' in card
    assert "hidden_size: 8" in card
    assert str(run.path.parent.parent.parent) not in card + Path("mine/config.yaml").read_text()


@pytest.mark.thorough
def test_the_example_of_an_onnx_card_can_be_run(call, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra export is missing")
    pytest.importorskip("onnxscript", reason="the extra export is missing")
    status, out, _ = call("to=onnx", "output=mine", of="text")
    assert status == 0
    assert out.splitlines()[-1] == "mine"
    monkeypatch.chdir("mine")
    (example,) = re.findall(r"^```python\n(.*?)^```", Path("README.md").read_text(), re.M | re.S)
    names: dict = {}
    exec(example, names)
    assert names["output"].shape[:2] == (2, 9)


def test_damaged_weights_are_refused(call):
    call("to=safetensors", "output=mine")
    Path("mine/model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ConfigError, match="doesn't hold the weights"):
        load("mine")


def test_nothing_is_left_of_a_failure(call, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, err = call("to=safetensors", "output=mine")
    assert status == 2
    assert "output=mine can't be written: No space left on device" in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["output=mine"], "to=FORMAT is missing: safetensors or onnx"),
        (["to=safetensors"], "output=DIR is missing"),
        (["to=pickle", "output=mine"], "to must be"),
        (["to=safetensors", "output=no/mine"], "output must be in a directory that is there"),
        (["to=safetensors", "output=."], "output must be a new directory, got ."),
        (["to=safetensors", "output=mine", "task.delay=3"], "task.delay=3 can't be given"),
    ],
)
def test_mistakes_are_status_2_and_write_nothing(call, words, said):
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("module", "word", "said"),
    [
        (weights, "safetensors", "to=safetensors needs safetensors: pip install 'rnnlab[export]'"),
        (to_onnx, "onnx", "to=onnx needs onnx and onnxscript and onnxruntime: pip install"),
    ],
)
def test_a_missing_package_is_named_before_anything_begins(call, monkeypatch, module, word, said):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    status, out, err = call(f"to={word}", "output=mine")
    assert (status, out) == (2, "")
    assert err.startswith(f"rnnlab-export: {said}")
    assert list(Path().iterdir()) == []


def test_a_run_without_results_has_a_card(runs, tmp_path):
    results = runs["copy"] / "results.json"
    kept = results.read_bytes()
    results.unlink()
    try:
        write.write(rnnlab.load(runs["copy"]), "safetensors", tmp_path / "mine")
    finally:
        results.write_bytes(kept)
    assert "The run has no scores" in (tmp_path / "mine" / "README.md").read_text()
