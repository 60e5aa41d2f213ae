"""The copy family: what is shown, what is asked, and what it costs not to remember."""

import math

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.copy import Copy, CopyRepeat, CopyReverse

SETTINGS = {"num_symbols": 4, "length": 3, "min_length": None, "delay": 2, "answer": "recall"}
LAYOUTS = ["stream", "encoder_decoder"]
BLANK, CUE = 4, 5
RECALL = {
    "copy": (Copy, {}, lambda row: row),
    "copy_reverse": (CopyReverse, {}, lambda row: row[::-1]),
    "copy_repeat": (CopyRepeat, {"repeats": 3}, lambda row: 3 * row),
}
every_kind = pytest.mark.parametrize("kind", RECALL)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def make(kind: str = "copy", layout: str = "stream", seed: int = 0, **settings: object) -> Copy:
    task, own, _ = RECALL[kind]
    return task(layout, seed, **SETTINGS | own | settings)


def sure(task: Copy, batch: Batch) -> torch.Tensor:
    return 100.0 * torch.nn.functional.one_hot(batch.target, task.spec.target.vocab_size).float()


@every_kind
def test_a_stream_shows_waits_cues_and_asks(kind: str) -> None:
    recall = RECALL[kind][2]
    batch = make(kind).sample("train", 0, 5)
    for read, right, mask in zip(
        batch.input.tolist(), batch.target.tolist(), batch.mask.tolist(), strict=True
    ):
        symbols, answer = read[:3], recall(read[:3])
        assert set(symbols) <= set(range(4))
        assert read == [*symbols, BLANK, BLANK, CUE, *[BLANK] * (len(answer) - 1)]
        assert right == [BLANK] * 5 + answer
        assert mask == [False] * 5 + [True] * len(answer)


@every_kind
def test_an_encoder_decoder_reads_the_source_then_its_last_answer(kind: str) -> None:
    recall = RECALL[kind][2]
    task = make(kind, "encoder_decoder")
    batch = task.sample("train", 0, 5)
    assert task.spec.feedback
    assert task.spec.source == Tokens(6)
    assert batch.mask.all()
    assert batch.source_mask.all()
    for source, read, right in zip(
        batch.source.tolist(), batch.input.tolist(), batch.target.tolist(), strict=True
    ):
        answer = recall(source[:3])
        assert source[3:] == [BLANK, BLANK]
        assert right == answer
        assert read == [CUE, *answer[:-1]]


@every_kind
def test_both_layouts_have_one_content(kind: str) -> None:
    stream, pair = (make(kind, layout).sample("val", 7, 4) for layout in LAYOUTS)
    assert torch.equal(stream.input[:, :5], pair.source)
    assert torch.equal(stream.target[:, 5:], pair.target)


def test_seeds_splits_and_indices_differ() -> None:
    task = make(length=10)
    batches = [task.sample(split, i, 4) for split in ("train", "val", "test") for i in (0, 1)]
    batches.append(make(length=10, seed=1).sample("train", 0, 4))
    assert len({tuple(batch.input.flatten().tolist()) for batch in batches}) == 7


def test_length_may_be_asked_for() -> None:
    batch = make().sample("test", 0, 2, length=7)
    assert batch.input.shape == (2, 7 + 2 + 7)
    assert batch.mask.sum(1).tolist() == [7, 7]


def test_lengths_are_drawn_between_their_bounds() -> None:
    task = make(length=4, min_length=2)
    lengths = {int(task.sample("train", i, 2).mask[0].sum()) for i in range(40)}
    assert lengths == {2, 3, 4}


def test_symbols_are_equally_likely() -> None:
    shown = make(length=10).sample("train", 0, 1000).input[:, :10]
    shares = torch.bincount(shown.flatten(), minlength=4) / shown.numel()
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.02)


# Scores


@every_kind
@every_layout
@pytest.mark.parametrize("answer", ["recall", "everywhere"])
def test_perfect_output_scores_one_and_costs_nothing(kind: str, layout: str, answer: str) -> None:
    task = make(kind, layout, answer=answer)
    batch = task.sample("test", 0, 6)
    scores = {
        name: mean.value.item() for name, mean in task.metrics(sure(task, batch), batch).items()
    }
    assert scores == {"loss": 0, "accuracy": 1, "exact_match": 1}


def test_the_papers_floor() -> None:
    """Arjovsky et al. (2016): 10 ln 8 / (T + 20) for 10 of 8 symbols over a delay of T."""
    task = make(num_symbols=8, length=10, delay=100, answer="everywhere")
    assert task.floor["loss"] == pytest.approx(10 * math.log(8) / 120)
    assert task.floor["accuracy"] == 1 / 8


def test_the_floor_of_drawn_lengths_is_that_of_all_their_answers() -> None:
    task = make(num_symbols=8, length=10, min_length=2, delay=3, answer="everywhere")
    answered = [2 * length + 3 for length in range(2, 11)]
    recalled = sum(length * math.log(8) for length in range(2, 11))
    assert task.floor["loss"] == pytest.approx(recalled / sum(answered))


@every_kind
@every_layout
@pytest.mark.parametrize("answer", ["recall", "everywhere"])
def test_the_floor_is_what_the_best_answer_without_memory_costs(
    kind: str, layout: str, answer: str
) -> None:
    task = make(kind, layout, answer=answer)
    batch = task.sample("test", 0, 6)
    output = torch.zeros(*batch.target.shape, 5)
    output[..., BLANK] = -100.0
    output[(batch.target == BLANK).nonzero(as_tuple=True)] = torch.tensor([-100.0] * 4 + [0.0])
    assert task.loss(output, batch).item() == pytest.approx(task.floor["loss"])


def test_blanks_are_taught_but_earn_nothing() -> None:
    task = make(answer="everywhere")
    batch = task.sample("train", 0, 3)
    assert batch.mask.all()
    always_blank = sure(task, batch._replace(target=torch.full_like(batch.target, BLANK)))
    scores = task.metrics(always_blank, batch)
    assert (scores["accuracy"].value.item(), scores["accuracy"].weight.item()) == (0, 9)


# What a person looks at


def test_the_picture_lays_answer_under_target() -> None:
    task = make()
    batch = task.sample("test", 0, 1)
    batch.input[0, :3] = torch.tensor([0, 2, 1])
    batch.target[0, 5:] = torch.tensor([0, 2, 1])
    wrong = batch._replace(target=batch.target.clone())
    wrong.target[0, 6] = 3
    assert task.show(batch, sure(task, wrong)).splitlines() == [
        "input  a c b _ _ : _ _",
        "target _ _ _ _ _ a c b",
        "answer _ _ _ _ _ a d b",
    ]


def test_a_shortest_length_above_the_longest_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_length must be at most length=3, got 5"):
        make(min_length=5)


@pytest.mark.parametrize("layout", ["stream", "encoder_decoder"])
def test_the_picture_of_recall_darkens_with_the_right_symbols(layout):
    task = Copy(layout, 0, num_symbols=4, length=3, min_length=None, delay=2, answer="recall")
    batch = task.sample("test", 0, 2)
    right = 50.0 * torch.nn.functional.one_hot(batch.target, 5)
    dark, light = (
        torch.tensor(list(task.picture(batch, output).convert("L").tobytes())).float().mean()
        for output in (right, -right)
    )
    assert dark < light - 10
