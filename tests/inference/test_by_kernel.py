"""Free running by the kernel: what `begin` and `step` give, and for one seed the same answers."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from rnnlab.cells import readable
from rnnlab.inference import generate
from rnnlab.inference.by_kernel import kernel_of
from rnnlab.inference.generate import Sampler, beam_search, free_run, free_steps
from rnnlab.models import Stream
from rnnlab.spec import Batch, TaskSpec, Tokens
from tests.dear import dear_but
from tests.marks import needs_kernels
from tests.models.zoo import make_stream

pytestmark = needs_kernels

SPEC = TaskSpec(input=Tokens(21), target=Tokens(19), feedback=True)
CELLS = [
    ("elman", {"hidden_size": 5}),
    ("elman", {"hidden_size": 33, "activation": "relu"}),
    ("elman", {"hidden_size": 16, "activation": "sigmoid"}),
    ("gru", {"hidden_size": 37}),
    ("lstm", {"hidden_size": 16}),
    ("lstm", {"hidden_size": 70}),
]


def make(cell: str = "lstm", cell_settings=None, spec: TaskSpec = SPEC, **settings) -> Stream:
    model = make_stream(spec, cell, cell_settings=cell_settings, **settings).float()
    with torch.no_grad():
        for parameter in model.cell.parameters():  # relu would explode
            parameter.mul_(0.1 if "relu" in (cell_settings or {}).values() else 0.5)
    return model.eval()


def asked(rows: int, steps: int = 40, prompt: int = 3) -> Batch:
    """A batch whose answers begin after a prompt, and pause for a while."""
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(21, (rows, steps), generator=generator)
    mask = torch.ones(rows, steps, dtype=torch.bool)
    mask[:, : prompt - 1] = False
    mask[0, steps // 2 : steps // 2 + 4] = False
    return Batch(input=ids, target=torch.zeros_like(ids), mask=mask)


@contextmanager
def by_steps(model: Stream) -> Iterator[None]:
    """Run a model by its `step` alone."""
    with readable(model):
        yield


def run(model: Stream, batch: Batch, choose=generate.greedy) -> tuple[Tensor, Tensor]:
    outputs, answers = zip(*free_steps(model, batch, choose), strict=True)
    return torch.stack(outputs, dim=1), torch.stack(answers, dim=1)


def assert_same(model: Stream, batch: Batch, *settings) -> None:
    """The kernel and the steps give the same outputs, to rounding, and the same answers."""
    found = []
    for way in (torch.no_grad, lambda: by_steps(model)):
        choose = generate.greedy
        if settings:
            choose = Sampler(*settings, torch.Generator().manual_seed(5))
        with torch.no_grad(), way():
            assert (kernel_of(model, batch) is None) == (way is not torch.no_grad)
            found.append(run(model, batch, choose))
    (outputs, answers), (expected, right) = found
    assert answers.equal(right)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("cell", "settings"), CELLS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("embedding", [None, 7])
@pytest.mark.parametrize("rows", dear_but([2], [1, 2, 13]))
def test_the_likeliest_answers_are_those_of_single_steps(cell, settings, layers, embedding, rows):
    model = make(cell, settings, num_layers=layers, embedding_size=embedding)
    assert_same(model, asked(rows))


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    "settings",
    [
        (1.0, None, None),
        (0.3, None, None),
        (2.0, 4, None),
        (2.0, 1, None),
        (1.5, 99, None),
        (1.0, None, 0.8),
        (1.0, None, 1e-9),
        (1.0, None, 1.0),
        (1.7, 6, 0.7),
        (1e-300, None, None),
    ],
)
def test_one_seed_draws_one_text_either_way(cell, rows, settings):
    assert_same(make(cell), asked(rows, steps=100), *settings)


def test_a_learned_initial_state_is_where_it_begins():
    model = make("lstm", initial_state="learned", num_layers=2)
    assert any(leaf.any() for leaf in model.initial)
    assert_same(model, asked(3))


@pytest.mark.parametrize("end", [None, 4])
@pytest.mark.parametrize("width", [1, 2, 5, 30])
@pytest.mark.parametrize("rows", [1, 4])
@torch.no_grad()
def test_a_beam_finds_the_same_either_way(rows, width, end):
    model = make("gru", num_layers=2)
    batch = asked(rows, steps=25)
    assert kernel_of(model, batch, width) is not None
    answers, scores = beam_search(model, batch, width, end)
    with by_steps(model):
        right, likeliest = beam_search(model, batch, width, end)
    chosen = batch.mask
    assert answers[chosen].equal(right[chosen])
    torch.testing.assert_close(scores, likeliest, rtol=1e-4, atol=1e-3)


def hooked(model: Stream) -> None:
    model.cell.layers[0].register_forward_hook(lambda *_: None)


def dropping(model: Stream) -> None:
    model.dropout.p = 0.5
    model.train()


def doubled(model: Stream) -> None:
    model.double()


class Louder(Stream):
    def step(self, input, state, context=None):
        output, state = super().step(input, state, context)
        return 2 * output, state


@pytest.mark.parametrize("change", [hooked, dropping, doubled])
def test_what_the_kernel_cannot_do_is_done_step_by_step(change):
    model = make()
    assert kernel_of(model, asked(2)) is not None
    change(model)
    assert kernel_of(model, asked(2)) is None


def test_a_step_of_ones_own_is_run():
    model = make()
    model.__class__ = Louder
    assert kernel_of(model, asked(2)) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"cell": "jordan"},
        {"cell": "taps_mlp"},
        {"cell": "lstm_peepholes"},
        {"spec": TaskSpec(input=Tokens(21), target=Tokens(21))},
        {"spec": TaskSpec(input=Tokens(21), target=Tokens(22), feedback=True)},
    ],
)
def test_other_models_are_run_step_by_step(settings):
    assert kernel_of(make(**settings), asked(2)) is None


def test_an_unknown_token_is_refused_as_ever():
    batch = asked(1)
    batch.input[0, 0] = 21
    with pytest.raises(IndexError):
        free_run(make(), batch)


@torch.no_grad()
def test_nothing_is_drawn_from_what_is_no_number():
    model = make()
    model.readout.bias[3] = torch.nan
    assert run(model, asked(2))[1].eq(3).all()
    for way in (torch.no_grad(), by_steps(model)):
        with way, pytest.raises(RuntimeError, match=r"infinite or NaN|inf.*nan"):
            run(model, asked(2), Sampler(1.0, None, None, torch.Generator()))


@torch.no_grad()
def test_several_runs_of_a_model_do_not_meet():
    model = make()
    one, other = (free_steps(model, asked(rows)) for rows in (1, 2))
    together = [[], []]
    for first, second in zip(one, other, strict=True):
        together[0].append(first[1])
        together[1].append(second[1])
    gc.collect()
    for rows, answers in zip((1, 2), together, strict=True):
        assert torch.stack(answers, dim=1).equal(run(model, asked(rows))[1])
