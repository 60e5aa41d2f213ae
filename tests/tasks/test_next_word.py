"""Words of a text: how they are cut, joined, numbered and scored."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnlab.tasks.next_char import NextChar
from rnnlab.tasks.next_symbol import NextSymbol
from rnnlab.tasks.next_word import NextWord
from tests.small_runs import FILES

TEXT = "".join(f"The king, my {n % 7} lords:\nhe's gone!\n" for n in range(200))


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    shares = {"val_fraction": 0.1, "test_fraction": 0.1, "cut": None}
    own = {"path": str(tmp_path / "text"), "lowercase": True, "length": 8}
    return {**FILES, **shares, **own}


def test_words_are_cut_and_joined_again(settings: dict[str, Any]) -> None:
    task = NextWord("stream", 0, **settings)
    text = "the king, my 3 lords:\nhe's gone!\n"
    ids = task.encode(text.title())
    assert [task.symbols[i] for i in ids[:6]] == ["the", "king", ",", "my", "3", "lords"]
    assert task.decode(ids) == text
    batch = task.prompt(text, 1, 4)
    answers = torch.tensor(task.encode("gone my lords"))
    padded = torch.cat([torch.zeros(len(ids) - 1, dtype=torch.int64), answers])[None]
    assert task.show_answers(batch, padded) == text + "gone my lords"


def test_the_windows_of_a_stream_joined_are_the_text(settings: dict[str, Any]) -> None:
    task = NextWord("stream", 0, **settings)
    count = task.num_batches("train", 1)
    read = torch.cat([task.sample("train", index, 1).input[0] for index in range(count)])
    text = task.decode(read.tolist())
    assert TEXT.lower().startswith(text)
    assert len(text) > 0.7 * len(TEXT)


def test_rare_words_are_unknown_and_case_may_be_kept(settings: dict[str, Any]) -> None:
    task = NextWord("stream", 0, **settings | {"min_count": 40, "lowercase": False})
    assert task.symbols[0] == "<unk>"
    assert "The" in task.symbols
    assert "3" not in task.symbols
    assert task.encode("the 3") == [0, 0]


@pytest.mark.parametrize("kind", [NextWord, NextChar])
def test_perplexity_is_that_of_the_mean_loss(
    settings: dict[str, Any], kind: type[NextSymbol]
) -> None:
    if kind is NextChar:
        del settings["lowercase"]
    task = kind("stream", 0, **settings)
    scorer = task.scorer()
    for index in range(2):
        batch = task.sample("val", index, 2)
        scorer.update(torch.randn(*batch.mask.shape, len(task.symbols)), batch)
    scores = scorer.compute()
    assert task.mode("val/perplexity") == "min"
    assert scores["perplexity"] == pytest.approx(math.exp(scores["loss"]))
    assert task.floor["perplexity_bigram"] < task.floor["perplexity"]


def test_two_tasks_of_one_text_have_the_same_numbers(settings: dict[str, Any]) -> None:
    """The words of a text are kept; making a vocabulary of them changes nothing."""
    first = NextWord("stream", 0, **settings).sample("train", 0, 2).input
    NextWord("stream", 0, **settings | {"min_count": 100})
    assert torch.equal(NextWord("stream", 0, **settings).sample("train", 0, 2).input, first)
