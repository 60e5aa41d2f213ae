"""The table of all pairs: `scripts/pairs.py`."""

import pytest

import pairs
from rnnlab.config.catalogue import describe


def test_all_models_and_tasks_are_in_the_table() -> None:
    assert sorted(pairs.MODELS) == list(describe("model"))
    assert sorted(pairs.TASKS) == list(describe("task"))


def test_taps_reach_no_further_than_sequences_go() -> None:
    assert "model.cell.taps=8" in pairs.words("ar", "digits")
    assert "model.cell.taps=16" in pairs.words("ar_ffn", "next_char")


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Two pairs, whose scores are counted instead of trained."""
    page = tmp_path / "pairs.md"
    page.write_text(f"Pairs.\n{pairs.BEGIN}old\n{pairs.END}\nMore.\n")
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
    monkeypatch.setattr(pairs.sys, "argv", ["pairs.py", "--write"])
    return page, scored


def test_it_goes_on_where_it_was_and_writes_when_no_pair_is_broken(few, capsys) -> None:
    page, scored = few
    with pytest.raises(SystemExit, match="1 of 2 pairs are broken"):
        pairs.main()
    assert "old" in page.read_text()
    assert capsys.readouterr().err.startswith("pairs: model=lstm task=copy ")
    scored.append("")  # luck
    pairs.main()
    assert scored == ["model=gru", "", "model=lstm"]
    assert page.read_text().startswith("Pairs.\n<!-- pairs")
    assert "| copy | symbols right | 0.125 | 0.375 |\n<!-- end" in page.read_text()


def test_scores_of_another_commit_are_not_taken(few, monkeypatch) -> None:
    _, scored = few
    scored.append("")
    pairs.main()
    monkeypatch.setattr(pairs, "commit_of_this", lambda: "def")
    pairs.main()
    assert scored == ["", "model=gru", "model=lstm", "model=gru", "model=lstm"]
    monkeypatch.setattr(pairs, "commit_of_this", lambda: None)
    with pytest.raises(SystemExit, match="as committed"):
        pairs.main()


def test_a_pair_is_trained_evaluated_and_sampled_or_named_as_broken(tmp_path) -> None:
    chosen = [*pairs.words("elman", "parity"), "trainer.max_steps=2", "trainer.val_every=2"]
    assert 0 < pairs.score("parity", [*chosen, "data.test_size=4"], str(tmp_path)) <= 1
    with pytest.raises(RuntimeError, match=r"^rnnlab-train .* ended with rnnlab-train:"):
        pairs.score("parity", ["model=elman", "task=pairity"], str(tmp_path))
