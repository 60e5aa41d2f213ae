"""Speech, answered at every frame: the words of `Speech`, scores and pictures."""

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from rnnlab.spec import Layout
from rnnlab.tasks import Speech, SpeechCTC


def speech(layout: Layout = "stream") -> SpeechCTC:
    return SpeechCTC(layout, 0, length=6, noise=0.1)


def test_the_words_and_frames_are_those_of_speech() -> None:
    task, other = speech(), Speech("encoder_decoder", 0, length=6, noise=0.1)
    batch, heard = task.sample("test", 0, 8), other.sample("test", 0, 8)
    assert heard.source is not None
    assert torch.equal(batch.input, heard.source)
    assert heard.source_mask is not None
    assert torch.equal(batch.mask, heard.source_mask)
    for row in range(8):
        word = other.words(heard.target[row][heard.mask[row]].tolist())
        assert task.letters(batch.target[row][batch.mask[row]].tolist()) == word


def test_a_decoder_reads_the_frames_again() -> None:
    stream, cut = (speech(layout).sample("val", 1, 4) for layout in ("stream", "encoder_decoder"))
    for part, other in zip(cut[:3], stream[:3], strict=True):
        assert torch.equal(part, other)
    assert torch.equal(cut.source, stream.input)
    assert torch.equal(cut.source_mask, stream.mask)


def test_letters_count_wherever_they_are_heard() -> None:
    task = speech()
    batch = task.sample("test", 0, 4, length=5)
    late = torch.zeros_like(batch.target)
    for row, frames in enumerate(batch.mask.sum(1).tolist()):
        letters = batch.target[row, :5].repeat_interleave(2)  # of two frames each, at the end
        late[row, frames - 10 : frames] = letters
    right, scorer = 50.0 * F.one_hot(late, len(task.symbols)), task.scorer()
    scorer.update(right, batch)
    assert scorer.compute() == pytest.approx(
        {"loss": 0, "exact_match": 1, "character_error": 0}, abs=1e-6
    )
    late[0, int(batch.mask[0].sum()) - 2 :] = 0  # the last letter of the first word
    scorer.update(50.0 * F.one_hot(late, len(task.symbols)), batch)
    assert scorer.compute()["character_error"] == pytest.approx(1 / 40)
    assert scorer.compute()["exact_match"] == pytest.approx(7 / 8)


def test_the_floor_is_the_best_answer_that_is_always_the_same() -> None:
    task = speech()
    batch = task.sample("train", 0, 256)
    for blank in (0.5, 0.7, 0.9):
        same = torch.full((13,), (1 - blank) / 12)
        same[0] = blank
        assert (
            float(task.loss(same.log().expand(*batch.mask.shape, -1), batch)) > task.floor["loss"]
        )
    assert 0.4 < task.floor["character_error_nearest_neighbour"] < 0.8


def test_answers_are_drawn_with_their_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def draw(_: object, title: str, answers: dict[str, object]) -> Image.Image:
        drawn.append((title, list(answers)))
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr("rnnlab.tasks.speech_ctc.draw_tracks", draw)
    task = speech()
    batch = task.sample("test", 0, 3)
    task.show_answers(batch, batch.target)
    task.show(batch, torch.zeros(*batch.mask.shape, 13))
    words = [
        "".join(task.letters(ids[mask].tolist()))
        for ids, mask in zip(batch.target[:2], batch.mask[:2], strict=True)
    ]
    letters = [["blank", *dict.fromkeys(word)] for word in words]
    assert drawn[:2] == list(zip(words, letters, strict=True))
    assert drawn[2:] == [(f"{word}   x: ", own) for word, own in zip(words, letters, strict=True)]
    monkeypatch.undo()
    assert isinstance(task.show_answers(batch, batch.target), Image.Image)
