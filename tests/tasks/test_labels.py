"""Texts with a label: symbols, batches, prompts, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks import Labels, StoredSymbols

SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("path", "val_path", "test_path", "encoding", "min_count")),
    "level": "character",
}
LINES = "".join(f"text {n}\t{'odd' if n % 2 else 'even'}\n" for n in range(40))


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "own.tsv").write_text(LINES, encoding="utf-8")
    return {**SETTINGS, "path": str(tmp_path / "own.tsv")}


def test_the_label_is_asked_after_the_last_symbol(own: dict[str, Any]) -> None:
    layouts: list[Layout] = ["stream", "encoder_decoder"]
    stream, cut = (Labels(layout, 0, **own).sample("val", 0, 4) for layout in layouts)
    assert cut.source is not None
    assert torch.equal(cut.source, stream.input)
    assert torch.equal(cut.target[:, 0], stream.target[stream.mask])


def test_symbols_of_a_run_are_labels_and_then_texts(own: dict[str, Any]) -> None:
    task = Labels("stream", 0, **own)
    assert task.symbols[:3] == ("=even", "=odd", " ")
    again = Labels("stream", 0, StoredSymbols(("=odd", "=even", *task.symbols[2:])), **own)
    assert again.names == ("odd", "even")
    lost = Labels("stream", 0, StoredSymbols(task.symbols, "gone"), **own)
    assert (lost.spec, lost.symbols) == (task.spec, task.symbols)
    with pytest.raises(ConfigError, match="labels must be those that were learnt, odd, got even"):
        Labels("stream", 0, StoredSymbols(("=odd", *task.symbols[2:])), **own)


def test_a_text_is_prompted_and_its_label_shown(own: dict[str, Any]) -> None:
    task = Labels("stream", 0, **own)
    batch = task.prompt("text 1", 2, None)
    assert task.show_answers(batch, torch.ones_like(batch.target)) == "text 1: odd\ntext 1: odd"
    assert list(task.write_while_generating(batch, torch.ones_like(batch.target).unbind(1))) == [
        "odd\nodd"
    ]
    with pytest.raises(ConfigError, match=r"symbols that the task has, one or more, got 'X'"):
        task.prompt("teXt", 1, None)
    with pytest.raises(ConfigError, match="one or more, got ''"):
        task.prompt("", 1, None)
    assert "even 50 %" in task.show(batch, torch.zeros(*batch.mask.shape, 2))
    assert task.answer_labels(torch.tensor([1, 0])) == ["odd", "even"]


def test_rare_symbols_are_unknown(own: dict[str, Any]) -> None:
    task = Labels("stream", 0, **own | {"level": "word", "min_count": 5})
    assert task.symbols == ("=even", "=odd", "<unk>", "text")
    assert task.encode("text 77") == [1, 0]


def test_phrases_of_two_languages_need_no_file() -> None:
    task = Labels("stream", 0, **SETTINGS)
    assert task.names == ("English", "French")
    assert len(task.rows.all) > 5000
    assert task.floor["accuracy"] < 0.6 < task.floor["accuracy_naive_bayes"] < 0.95


def test_a_line_without_a_label_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("text\tlabel\ntext\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2 of"):
        Labels("stream", 0, **SETTINGS | {"path": str(tmp_path / "own.tsv")})
    with pytest.raises(ConfigError, match=r"task.val_path must be null where task.path is null"):
        Labels("stream", 0, **SETTINGS | {"val_path": "x"})
