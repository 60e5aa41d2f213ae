"""The table of all pairs: `scripts/pairs.py`."""

import multiprocessing
import threading
import time

import pytest

import pairs
from rnnlab.config.catalogue import describe


def test_all_models_and_tasks_are_in_the_table() -> None:
    assert sorted(pairs.MODELS) == list(describe("model"))
    assert sorted(pairs.TASKS) == list(describe("task"))


def test_taps_reach_no_further_than_sequences_go() -> None:
    assert "model.cell.taps=8" in pairs.words(pairs.pair_of("ar", "digits"))
    assert "model.cell.taps=16" in pairs.words(pairs.pair_of("ar_ffn", "next_char"))


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Two pairs, whose scores are counted instead of trained."""
    page = tmp_path / "pairs.md"
    page.write_text("Pairs.\n<!-- pairs: made by me -->\nold\n<!-- end of pairs -->\nMore.\n")
    scored: list[str] = []

    def score(_: str, chosen: list[str], __: str) -> float:
        if chosen[0] == "model=lstm" and len(scored) == 1:
            raise KeyError("free_accuracy")
        scored.append(chosen[0])
        return len(scored) / 8

    replaced = {"PAGE": page, "KEPT": tmp_path / "outputs/pairs.json", "MODELS": ("gru", "lstm")}
    replaced |= {"TASKS": {"copy": pairs.TASKS["copy"]}, "score": score}
    for name, value in (replaced | {"commit_of_this": lambda: "abc"}).items():
        monkeypatch.setattr(pairs, name, value)
    return page, scored


def told(monkeypatch, *words: str) -> None:
    """Run the program as from a command line."""
    monkeypatch.setattr(pairs.sys, "argv", ["pairs.py", *words])
    pairs.main()


def test_it_goes_on_where_it_was_and_writes_when_no_pair_is_broken(
    few, monkeypatch, capsys
) -> None:
    page, scored = few
    with pytest.raises(SystemExit, match="1 of 2 pairs are broken"):
        told(monkeypatch, "--write")
    assert "old" in page.read_text()
    printed = capsys.readouterr()
    assert printed.err.startswith("pairs: lstm on copy: KeyError('free_accuracy')")
    assert "| copy | symbols right | 0.125 | broken |" in printed.out
    scored.append("")  # luck
    told(monkeypatch, "--write")
    assert scored == ["model=gru", "", "model=lstm"]
    assert page.read_text().startswith("Pairs.\n<!-- pairs")
    assert "2 of 2 pairs, of commit `abc`:" in page.read_text()
    assert "| copy | symbols right | 0.125 | 0.375 |\n<!-- end" in page.read_text()


def test_what_is_not_scored_is_shown_as_missing(few, monkeypatch, capsys) -> None:
    page, scored = few
    told(monkeypatch, "--only", "gru on", "--write")
    assert scored == ["model=gru"]
    assert "1 of 2 pairs" in page.read_text()
    assert "| copy | symbols right | 0.125 | - |" in page.read_text()
    told(monkeypatch, "--deadline", "0")
    assert scored == ["model=gru"]
    assert "| copy | symbols right | 0.125 | - |" in capsys.readouterr().out


def test_scores_of_other_code_are_not_taken(few, monkeypatch) -> None:
    _, scored = few
    scored.append("")
    told(monkeypatch)
    monkeypatch.setattr(pairs, "digest", lambda: "other")
    told(monkeypatch)
    assert scored == ["", "model=gru", "model=lstm", "model=gru", "model=lstm"]
    monkeypatch.setattr(pairs, "commit_of_this", lambda: None)
    with pytest.raises(SystemExit, match="as committed"):
        told(monkeypatch, "--write")


def test_scores_of_another_machine_are_taken_in(few, monkeypatch, tmp_path) -> None:
    page, scored = few
    scored.extend(["", ""])
    elsewhere = str(tmp_path / "there.json")
    told(monkeypatch, "--keep", elsewhere, "--only", "lstm")
    told(monkeypatch, "--merge", elsewhere, "--deadline", "0", "--write")
    assert "| copy | symbols right | - | 0.375 |" in page.read_text()
    told(monkeypatch, "--write")
    assert scored == ["", "", "model=lstm", "model=gru"]
    assert "| copy | symbols right | 0.5 | 0.375 |" in page.read_text()


def test_the_digest_is_of_code_and_configs_wherever_they_lie(tmp_path, monkeypatch) -> None:
    digests = []
    for place, text, yaml in (("a", "1", "x: 1"), ("b", "1", "x: 1"), ("c", "2", "x: 1")):
        for name, content in (("src/m.py", text), ("configs/c.yaml", yaml), ("docs/d.md", place)):
            path = tmp_path / place / name
            path.parent.mkdir(parents=True)
            path.write_text(content)
        monkeypatch.setattr(pairs, "ROOT", tmp_path / place)
        digests.append(pairs.digest())
    assert digests[0] == digests[1] != digests[2]
    (tmp_path / "c/src/__pycache__").mkdir()
    (tmp_path / "c/src/__pycache__/m.pyc").write_text("compiled")
    assert pairs.digest() == digests[2]


@pytest.mark.thorough
def test_workers_share_the_pairs_and_one_that_dies_loses_its_own(tmp_path, monkeypatch) -> None:
    short = ["trainer.max_steps=2", "trainer.val_every=2", "data.val_size=4", "data.test_size=4"]
    monkeypatch.setattr(pairs, "BUDGET", short)
    some = [pairs.pair_of(model, "parity") for model in ("elman", "gru", "lstm")]
    assert not list(pairs.by_workers(some, tmp_path, time.monotonic(), 2))
    killing = threading.Thread(target=kill_one_worker)
    killing.start()
    found = dict(pairs.by_workers(some, tmp_path, float("inf"), 2))
    killing.join()
    assert set(found) == set(some)
    assert sorted(end.error for end in found.values()) == ["", "", "its process died"]
    assert all(0 < end.score < 1 for end in found.values() if not end.error)
    assert not multiprocessing.active_children()


def kill_one_worker() -> None:
    while not (workers := multiprocessing.active_children()):
        time.sleep(0.01)
    workers[0].kill()


def test_a_pair_is_trained_evaluated_and_sampled_or_named_as_broken(tmp_path) -> None:
    chosen = [
        *pairs.words(pairs.pair_of("elman", "parity")),
        "trainer.max_steps=2",
        "trainer.val_every=2",
    ]
    assert 0 < pairs.score("parity", [*chosen, "data.test_size=4"], str(tmp_path)) <= 1
    with pytest.raises(RuntimeError, match=r"^rnnlab-train .* ended with rnnlab-train:"):
        pairs.score("parity", ["model=elman", "task=pairity"], str(tmp_path))
