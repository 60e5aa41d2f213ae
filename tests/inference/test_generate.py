"""Free running, drawing and searching, against brute force."""

import weakref
from itertools import product

import pytest
import torch
from torch import Tensor

from rnnlab.inference.generate import (
    Sampler,
    beam_search,
    free_answers,
    free_run,
    free_steps,
    reads_answers,
)
from rnnlab.models import Model
from rnnlab.models.feedback import greedy
from rnnlab.spec import Batch, Reals, TaskSpec, Tokens
from tests.models.zoo import by_steps, make_seq2seq, make_stream

V, T = 3, 4
SPEC = TaskSpec(input=Tokens(V), target=Tokens(V), feedback=True)
SOURCE_SPEC = TaskSpec(input=Tokens(V + 1), target=Tokens(V), source=Tokens(V), feedback=True)
NUMBERS = TaskSpec(input=Reals(3), target=Reals(2), feedback=True)


@pytest.fixture
def stream() -> Model:
    return lively(make_stream(SPEC))


@pytest.fixture
def seq2seq() -> Model:
    return lively(make_seq2seq(SOURCE_SPEC))


def lively(model: Model) -> Model:
    """A net that remembers: what is likeliest now is often not how the likeliest answer begins."""
    generator = torch.Generator().manual_seed(19)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def blank(rows: int = 2, steps: int = T, prompt: int = 1) -> Batch:
    """A batch that begins with `prompt` given symbols, the last of them the first answered."""
    mask = torch.ones(rows, steps, dtype=torch.bool)
    mask[:, : prompt - 1] = False
    given = torch.randint(V, (rows, steps))
    return Batch(input=given, target=torch.zeros_like(given), mask=mask)


def with_source(rows: int = 2) -> Batch:
    batch = blank(rows)
    batch.input[:, 0] = V  # the start symbol
    return batch._replace(
        source=torch.randint(V, (rows, 3)), source_mask=torch.ones(rows, 3, dtype=torch.bool)
    )


def fed(batch: Batch, answers: Tensor) -> Batch:
    """The batch whose inputs are these answers, wherever one was given a step before."""
    inputs = batch.input.clone()
    held = batch.mask[:, :-1]
    inputs[:, 1:][held] = answers[:, :-1][held]
    return batch._replace(input=inputs)


def log_probability(model: Model, batch: Batch, answers: Tensor, end: int | None) -> Tensor:
    """Of whole answers `(B, T)`, counting none after the end, -inf where one differs from it."""
    log_probs = model(fed(batch, answers))[0].log_softmax(-1)
    scores = log_probs.gather(2, answers[..., None]).squeeze(2)
    over = torch.zeros(len(answers), dtype=torch.bool)
    total = torch.zeros(len(answers), dtype=scores.dtype)
    for t in range(answers.shape[1]):
        counts = batch.mask[:, t] & ~over
        total = total + torch.where(counts, scores[:, t], 0.0)
        silent = torch.full_like(answers[:, t], 0 if end is None else end)
        total = total.masked_fill(~counts & (answers[:, t] != silent), -torch.inf)
        over = over | (batch.mask[:, t] & (answers[:, t] == end))
    return total


def best_of_all(
    model: Model, batch: Batch, end: int | None, *, mean: bool = False, never: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor]:
    """Try every answer there is; with `mean` the best is that of log-probability per symbol."""
    symbols = [symbol for symbol in range(V) if symbol not in never]
    answers = torch.tensor(list(product(symbols, repeat=batch.input.shape[1])))
    lengths = torch.ones(len(answers))
    if mean:
        ends = (answers == end).int()
        lengths += torch.where(ends.any(1), ends.argmax(1), answers.shape[1] - 1)
    best = []
    for row in range(len(batch.input)):
        one = Batch._make(
            None if part is None else part[row : row + 1].expand(len(answers), *part.shape[1:])
            for part in batch
        )
        scores = log_probability(model, one, answers, end)
        winner = (scores / lengths).argmax()
        best.append((answers[winner], scores[winner]))
    return torch.stack([a for a, _ in best]), torch.stack([s for _, s in best])


@pytest.mark.parametrize("end", [None, 1])
@pytest.mark.parametrize("prompt", [1, 3])
@torch.no_grad()
def test_a_beam_as_wide_as_all_answers_finds_the_likeliest(stream, prompt, end):
    batch = blank(rows=9, prompt=prompt, steps=T + 1)
    answers, scores = beam_search(stream, batch, V ** (T + 1), end)
    right, likeliest = best_of_all(stream, batch, end)
    greedily, _ = beam_search(stream, batch, 1, end)
    assert not torch.equal(greedily[batch.mask], right[batch.mask])
    torch.testing.assert_close(answers[batch.mask], right[batch.mask])
    torch.testing.assert_close(scores.double(), likeliest, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("end", [None, 2])
@torch.no_grad()
def test_an_encoder_decoder_is_searched_the_same_way(seq2seq, end):
    batch = with_source(rows=9)
    answers, scores = beam_search(seq2seq, batch, V**T, end)
    right, likeliest = best_of_all(seq2seq, batch, end)
    assert not torch.equal(beam_search(seq2seq, batch, 1, end)[0], right)
    torch.testing.assert_close(answers, right)
    torch.testing.assert_close(scores.double(), likeliest, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_answers_of_different_lengths_are_compared_by_their_means(stream):
    batch = blank(rows=9)
    answers, scores = beam_search(stream, batch, V**T, 1, length_norm=1.0)
    right, likeliest = best_of_all(stream, batch, 1, mean=True)
    assert not torch.equal(best_of_all(stream, batch, 1)[0], right)
    torch.testing.assert_close(answers, right)
    torch.testing.assert_close(scores.double(), likeliest, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_beam_search_leaves_out_what_is_no_answer(stream):
    batch = blank(rows=9)
    assert (beam_search(stream, batch, V**T, None)[0] == 0).any()
    answers, scores = beam_search(stream, batch, V**T, None, never=(0,))
    right, likeliest = best_of_all(stream, batch, None, never=(0,))
    torch.testing.assert_close(answers, right)
    torch.testing.assert_close(scores.double(), likeliest, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [1, 2, 5])
@torch.no_grad()
def test_a_beams_score_is_the_log_probability_of_its_answer(stream, width):
    batch = blank(rows=5)
    answers, scores = beam_search(stream, batch, width, 1)
    torch.testing.assert_close(
        scores.double(), log_probability(stream, batch, answers, 1), rtol=1e-5, atol=1e-5
    )


@torch.no_grad()
def test_a_beam_of_one_is_greedy_until_the_end_and_the_end_symbol_after_it(stream):
    batch = blank(rows=20, steps=6)
    greedily = free_answers(stream, batch)
    end = 2
    answers, _ = beam_search(stream, batch, 1, end)
    over = ((greedily == end).cumsum(1) - (greedily == end).long()) > 0
    assert (greedily[over] != end).any()
    torch.testing.assert_close(answers, greedily.masked_fill(over, end))
    torch.testing.assert_close(beam_search(stream, batch, 1, None)[0], greedily)


@torch.no_grad()
def test_rows_of_a_beam_search_do_not_meet(stream):
    batch = blank(rows=4)
    together, scores = beam_search(stream, batch, 3, None)
    for row in range(4):
        alone = Batch._make(None if p is None else p[row : row + 1] for p in batch)
        answers, score = beam_search(stream, alone, 3, None)
        torch.testing.assert_close(answers[0], together[row])
        torch.testing.assert_close(score[0], scores[row])


@torch.no_grad()
def test_running_free_is_reading_the_answers_back_where_the_mask_is_true(stream):
    batch = blank(rows=3, steps=7, prompt=4)
    output, answers = free_run(stream, batch), free_answers(stream, batch)
    torch.testing.assert_close(answers, output.argmax(2))
    torch.testing.assert_close(by_steps(stream, fed(batch, answers))[0], output)
    told = torch.equal(fed(batch, answers).input[:, :4], batch.input[:, :4])
    assert told


@torch.no_grad()
def test_numbers_fed_back_take_the_first_places_of_the_input():
    model = make_stream(NUMBERS)
    batch = Batch(
        input=torch.randn(2, 5, 3, dtype=torch.float64),
        target=torch.zeros(2, 5, 2, dtype=torch.float64),
        mask=torch.tensor([[False, False, True, True, True]]).expand(2, -1),
    )
    output = free_run(model, batch)
    inputs = batch.input.clone()
    inputs[:, 3:, :2] = output[:, 2:-1]
    torch.testing.assert_close(model(batch._replace(input=inputs))[0], output)


def test_who_reads_answers_is_told_by_the_spec_or_the_model(stream):
    assert reads_answers(stream)
    assert not reads_answers(make_stream(TaskSpec(input=Tokens(V), target=Tokens(V))))
    taught = make_stream(
        TaskSpec(input=Tokens(V), target=Reals(2)),
        "jordan",
        cell_settings={"teacher_forcing": True},
    )
    assert reads_answers(taught)


def draws(temperature: float, top_k: int | None, top_p: float | None = None) -> Tensor:
    """How often each token is drawn."""
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5])
    choose, count = Sampler(temperature, top_k, top_p, torch.Generator().manual_seed(1)), 20_000
    drawn = choose(TaskSpec(input=Tokens(5), target=Tokens(5)), logits.expand(count, -1))
    assert drawn.shape == (count,)
    return drawn.bincount(minlength=5) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_often_as_softmax_of_logits_over_temperature_says(temperature):
    expected = (torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5]) / temperature).softmax(0)
    deviation = (expected * (1 - expected) / 20_000).sqrt()
    assert ((draws(temperature, None) - expected).abs() < 4 * deviation).all()


def test_only_the_likeliest_are_drawn_with_top_k_in_their_own_proportion():
    expected = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5]).exp() * torch.tensor([1, 0, 0, 1, 0])
    torch.testing.assert_close(draws(1.0, 2), expected / expected.sum(), rtol=0, atol=0.02)
    assert draws(1.0, 2).count_nonzero() == 2
    torch.testing.assert_close(draws(1.0, 99), draws(1.0, None))


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (None, 0.5, [0, 0, 0, 1, 0]),  # the likeliest alone has .57
        (None, 0.6, [1, 0, 0, 1, 0]),
        (None, 0.85, [1, 0, 0, 1, 1]),
        (None, 1.0, [1, 1, 1, 1, 1]),
        (2, 0.9, [1, 0, 0, 1, 0]),
        (2, 0.7, [0, 0, 0, 1, 0]),  # of these two the likeliest has .73
    ],
)
def test_top_p_keeps_the_fewest_likeliest_that_reach_it(top_k, top_p, kept):
    expected = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5]).exp() * torch.tensor(kept)
    drawn = draws(1.0, top_k, top_p)
    torch.testing.assert_close(drawn, expected / expected.sum(), rtol=0, atol=0.02)
    assert torch.equal(drawn > 0, expected > 0)


@torch.no_grad()
def test_sampling_keeps_no_outputs(stream):
    batch, alive = blank(rows=1, steps=50), []
    for output, _ in free_steps(stream, batch):
        alive.append(weakref.ref(output))
        del output
    assert sum(ref() is not None for ref in alive) <= 1


@torch.no_grad()
def test_drawing_among_one_or_nearly_at_zero_temperature_is_greedy(stream):
    batch = blank(rows=6, steps=8)
    greedily = free_run(stream, batch, greedy)
    for settings in ((1.0, 1, None), (1.0, None, 1e-6), (1e-4, None, None), (1e-300, None, None)):
        choose = Sampler(*settings, torch.Generator().manual_seed(0))
        torch.testing.assert_close(free_run(stream, batch, choose), greedily)


def test_numbers_are_not_drawn():
    output = torch.randn(3, 2)
    assert Sampler(1.0, None, None, torch.Generator())(NUMBERS, output) is output
