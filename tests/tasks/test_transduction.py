import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.inference.generate import free_run
from rnnlab.spec import Batch, Layout, Split
from rnnlab.tasks.transduction import Pairs, Transduction
from tests.models.zoo import make_seq2seq, make_stream

LAYOUTS: tuple[Layout, ...] = ("stream", "encoder_decoder")


class Shout(Transduction):
    """`ab` -> `BBAA`: two fixed pairs, rows of different lengths."""

    def __init__(self, layout: Layout, seed: int = 0) -> None:
        super().__init__(layout, seed, "abcABC")

    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:  # noqa: ARG002
        # ab -> B, c -> CAB; what stands behind a length means nothing
        source = np.array([[3, 4], [5, 4]])
        target = np.array([[7, 8, 8], [8, 6, 7]])
        return Pairs(source, np.array([2, 1]), target, np.array([1, 3]))


def one_hot(task: Transduction, ids: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids, len(task.symbols)).float()


def only(batch: Batch, row: int) -> Batch:
    """Give a row alone, without its padding."""
    steps = int(batch.mask[row].nonzero().max()) + 1
    alone = Batch(*(part[row : row + 1, :steps] for part in batch[:3]))
    if batch.source is None:
        return alone
    read = int(batch.source_mask[row].sum())
    return alone._replace(
        source=batch.source[row : row + 1, :read],
        source_mask=batch.source_mask[row : row + 1, :read],
    )


def test_a_stream_is_source_separator_and_answer():
    batch = Shout("stream").sample("train", 0, 2)
    assert batch.input.tolist() == [[3, 4, 1, 7, 0], [5, 1, 8, 6, 7]]
    assert batch.target.tolist() == [[0, 0, 7, 2, 0], [0, 8, 6, 7, 2]]
    assert batch.mask.int().tolist() == [[0, 0, 1, 1, 0], [0, 1, 1, 1, 1]]


def test_a_decoder_reads_the_separator_and_then_its_last_answer():
    batch = Shout("encoder_decoder").sample("train", 0, 2)
    assert batch.source.tolist() == [[3, 4], [5, 0]]
    assert batch.source_mask.int().tolist() == [[1, 1], [1, 0]]
    assert batch.input.tolist() == [[1, 7, 0, 0], [1, 8, 6, 7]]
    assert batch.target.tolist() == [[7, 2, 0, 0], [8, 6, 7, 2]]
    assert batch.mask.int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_padding_changes_nothing(layout: Layout):
    task = Shout(layout)
    build = make_stream if layout == "stream" else make_seq2seq
    cells = ("elman",) if layout == "stream" else ("lstm", "lstm")
    settings = {} if layout == "stream" else {"attention": "dot", "bidirectional": True}
    model = build(task.spec, *cells, **settings)
    batch = task.sample("train", 0, 2)
    for row in range(2):
        alone = only(batch, row)
        steps = alone.mask.shape[1]
        torch.testing.assert_close(model(batch)[0][row, :steps], model(alone)[0][0])
        torch.testing.assert_close(free_run(model, batch)[row, :steps], free_run(model, alone)[0])
        padded = batch._replace(
            input=batch.input[row : row + 1],
            target=batch.target[row : row + 1],
            mask=batch.mask[row : row + 1],
        )
        if batch.source is not None:
            padded = padded._replace(
                source=batch.source[row : row + 1], source_mask=batch.source_mask[row : row + 1]
            )
        torch.testing.assert_close(
            task.loss(model(padded)[0], padded), task.loss(model(alone)[0], alone)
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_typed_source_is_laid_out_as_a_sampled_one(layout: Layout):
    task = Shout(layout)
    batch = task.sample("train", 0, 2)
    asked = task.source_batch([task.encode("ab"), task.encode("c")], max_answer=4)
    assert task.source_lengths(asked).tolist() == [2, 1]
    assert [task.source_text(asked, row) for row in range(2)] == ["ab", "c"]
    assert asked.mask.sum(1).tolist() == [4, 4]
    model = (make_stream if layout == "stream" else make_seq2seq)(task.spec)
    free, forced = free_run(model, asked), free_run(model, batch)
    for row in range(2):
        steps = int(batch.mask[row].sum())
        torch.testing.assert_close(free[row][asked.mask[row]][:steps], forced[row][batch.mask[row]])


def test_a_typed_source_shows_no_answer():
    asked = Shout("stream").source_batch([[3, 4], [5]], max_answer=3)
    assert asked.input.tolist() == [[3, 4, 1, 0, 0], [5, 1, 0, 0, 0]]
    assert asked.mask.int().tolist() == [[0, 0, 1, 1, 1], [0, 1, 1, 1, 0]]
    asked = Shout("encoder_decoder").source_batch([[3, 4], [5]], max_answer=3)
    assert asked.input.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert asked.source.tolist() == [[3, 4], [5, 0]]


@pytest.mark.parametrize(("text", "names"), [("abx", "'x'"), ("", "got none")])
def test_a_source_that_cannot_be_read_is_refused(text: str, names: str):
    with pytest.raises(ConfigError, match=names):
        Shout("stream").encode(text)


def test_an_answer_ends_at_its_end_symbol():
    task = Shout("stream")
    assert task.decode([6, 7, task.end, 8]) == "AB"
    assert task.decode([6, 7]) == "AB"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_are_kept_by_source_length(layout: Layout):
    task = Shout(layout)
    batch = task.sample("test", 0, 2)
    answers = batch.target.clone()
    place = int(batch.mask[1].nonzero()[1])
    answers[1, place] = 5  # one of the four symbols of the row with the short source is wrong
    scorer = task.scorer()
    scorer.update(one_hot(task, batch.target), batch)
    scorer.update(one_hot(task, answers), batch)
    assert scorer.breakdown() == {
        "exact_match_by_length": {"1": 0.5, "2": 1.0},
        "accuracy_by_length": {"1": 7 / 8, "2": 1.0},
        "sequences_by_length": {"1": 2.0, "2": 2.0},
    }
    assert scorer.compute()["exact_match"] == pytest.approx(3 / 4)
    assert scorer.compute()["accuracy"] == pytest.approx(11 / 12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_said_off_the_mask_counts_nowhere(layout: Layout):
    task = Shout(layout)
    batch = task.sample("test", 0, 2)
    answers = torch.where(batch.mask, batch.target, 5)
    scores = task.metrics(one_hot(task, answers), batch)
    assert float(scores["accuracy"].value) == 1
    assert float(scores["exact_match"].value) == 1


def test_only_a_wrong_answer_is_marked():
    task = Shout("stream")
    batch = task.sample("test", 0, 2)
    answers = batch.target.clone()
    answers[1, 2] = 5
    assert task.show(batch, one_hot(task, answers)).splitlines() == [
        "ab = B",
        "c = CAB   claims CcB  x",
    ]


def test_the_floor_is_what_the_frequencies_at_each_place_score():
    # places: B or C, $ or A, B, $: two of six symbols are a coin's toss
    floor = Shout("stream").floor
    assert floor["loss"] == pytest.approx(4 * np.log(2) / 6)
    assert floor["accuracy"] == pytest.approx(4 / 6)
