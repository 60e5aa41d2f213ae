"""Temporal XOR and letters: their texts, how windows go on, and what is scored apart."""

from typing import Any

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks import Letters, TemporalXor
from rnnlab.tasks.coded_text import CodedText

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]
TASKS = [TemporalXor, Letters]


def make(kind: Any, layout: Layout = "stream", **settings: Any) -> CodedText:
    return kind(layout, 0, **{"size": 200, "length": 4, "shuffled": False} | settings)


def text(task: CodedText, split: Any = "train") -> str:
    return "".join(task.written[i] for i in task.texts[split])


def test_every_third_bit_is_the_xor_of_two() -> None:
    bits = make(TemporalXor).texts["train"].reshape(-1, 3)
    assert ((bits[:, 0] ^ bits[:, 1]) == bits[:, 2]).all()
    assert len({tuple(triple) for triple in bits.tolist()}) == 4


def test_a_text_is_words_of_a_consonant_and_its_vowels() -> None:
    words = text(make(Letters)).replace("ba", "1").replace("dii", "2").replace("guuu", "3")
    assert len(words) == 200
    assert {*words} == {*"123"}


@pytest.mark.parametrize("kind", TASKS)
def test_in_random_order_the_same_symbols_stand(kind: Any) -> None:
    one, other = (text(make(kind, shuffled=shuffled)) for shuffled in (False, True))
    assert one != other
    assert sorted(one) == sorted(other)


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("rows", [1, 3])
def test_the_windows_of_a_stream_are_its_text(kind: Any, rows: int) -> None:
    task = make(kind)
    count = task.num_batches("train", rows)
    batches = [task.sample("train", index, rows) for index in range(count + 1)]
    assert [bool(batch.first.all()) for batch in batches] == [True] + [False] * (count - 1) + [True]
    assert torch.equal(batches[-1].input, batches[0].input)
    read, answered = (torch.cat(p, 1) for p in zip(*[b[:2] for b in batches[:-1]], strict=True))
    assert torch.equal(read[:, 1:], answered[:, :-1])
    assert torch.equal(answered[:-1, -1], read[1:, 0])  # where the next stream begins
    whole = task.codes[torch.from_numpy(task.texts["train"])]
    assert torch.equal(read.flatten(0, 1), whole[: read.shape[0] * read.shape[1]])
    assert rows * read.shape[1] > len(whole) - 1 - rows * task.period


@pytest.mark.parametrize("kind", TASKS)
def test_splits_and_seeds_have_texts_of_their_own(kind: Any) -> None:
    tasks = [kind("stream", seed, size=50, length=4, shuffled=False) for seed in (0, 0, 1)]
    texts = {text(task, split) for task in tasks for split in ("train", "val", "test")}
    assert len(texts) == 6
    assert tasks[0].fingerprint() == tasks[1].fingerprint() != tasks[2].fingerprint()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_third_bits_are_scored_apart(layout: Layout) -> None:
    task = make(TemporalXor, layout)
    batch = task.sample("val", 1, 4)
    output = torch.full_like(batch.target, 0.5)
    third = task.classes(batch)["third"]
    before = 1 if batch.source is None else batch.source.shape[1]
    assert third[0].nonzero().flatten().tolist() == [
        t for t in range(third.shape[1]) if (t + before) % 3 == 2
    ]
    output[third] = batch.target[third]
    scores = {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}
    assert (scores["loss_third"], scores["loss_others"]) == (0, 0.25)


def test_who_counts_the_vowels_pays_for_consonants_alone() -> None:
    task = make(Letters, size=3000)
    batch = make(Letters, size=3000, length=9000).sample("test", 0, 1)
    vowel = task.classes(batch)["vowels"]
    output = batch.target.clone()
    output[~vowel] = task.codes[:3].mean(0)  # b, d and g
    scores = {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}
    assert scores["loss_vowels"] == 0
    assert scores["loss_consonants"] == pytest.approx(2 / 27, rel=0.03)
    assert task.floor["loss_consonants"] > 2 / 27
    assert task.floor["loss_vowels"] > 0.04  # after u comes u or a consonant


def test_errors_are_shown_below_the_next_symbols() -> None:
    task = make(Letters)
    batch = task.sample("test", 0, 1)
    shown = task.show(batch, batch.target + 0.5).splitlines()
    assert shown[0].split() == ["next", *text(task, "test")[1:5]]
    assert shown[1].split() == ["error", *[".50"] * 4]


def test_a_text_that_is_too_short_for_the_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task\.size must make 601 symbols or more"):
        make(TemporalXor).sample("train", 0, 200)
    with pytest.raises(ConfigError, match="length can't be chosen where texts go on, got 3"):
        make(TemporalXor).sample("train", 0, 1, length=3)
