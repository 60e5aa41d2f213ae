"""LSTM against torch and against its equations, with and without its parts."""

import math

import pytest
import torch
from torch import Tensor, nn

from rnnlab.cells import LSTM
from rnnlab.errors import ConfigError
from tests.cells.zoo import HIDDEN, INPUT, STEPS, draw, draw_state, lstm, make, same, scatter

PLAIN_1997 = {"forget_gate": False, "forget_bias": None}
CHRONO = {"input_bias": None, "forget_bias": None}


def test_agrees_with_torch_lstm_in_values_and_gradients() -> None:
    theirs = nn.LSTM(INPUT, HIDDEN, batch_first=True).double()
    scatter(theirs)
    ours = lstm(INPUT).double()
    with torch.no_grad():
        ours.input_weight.copy_(theirs.weight_ih_l0)
        ours.recurrent_weight.copy_(theirs.weight_hh_l0)
        ours.bias.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
    inputs, start = draw(ours).requires_grad_(), draw_state(ours)
    start = type(start)(*(part.requires_grad_() for part in start))

    outputs, last = ours.unroll(inputs, start)
    expected, (hidden, cell) = theirs(inputs, (start.hidden[None], start.cell[None]))
    same((outputs, *last), (expected, hidden[0], cell[0]))

    weight = torch.randn_like(outputs)
    slopes = torch.autograd.grad(
        (outputs * weight).sum() + last.cell.square().sum(),
        [ours.input_weight, ours.recurrent_weight, ours.bias, inputs, *start],
    )
    expected_slopes = torch.autograd.grad(
        (expected * weight).sum() + cell.square().sum(),
        [theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0, inputs, *start],
    )
    same(slopes, expected_slopes)


def blocks(cell: LSTM, stacked: Tensor) -> dict[str, Tensor]:
    """Name the gates' blocks of a stacked parameter."""
    names = "ifgo" if cell.forget_gate else "igo"
    return dict(zip(names, stacked.split(HIDDEN), strict=True))


@pytest.mark.parametrize("name", ["lstm", "lstm_1997", "lstm_peepholes", "lstm_1997_peepholes"])
def test_follows_its_equations(name: str) -> None:
    cell = make(name)
    inputs, (h, c) = draw(cell), draw_state(cell)
    outputs, last = cell.unroll(inputs, type(draw_state(cell))(h, c))
    w, u, b = (blocks(cell, p) for p in (cell.input_weight, cell.recurrent_weight, cell.bias))
    zero = torch.zeros(HIDDEN, dtype=torch.float64)
    p = dict.fromkeys("ifo", zero)
    if cell.peepholes is not None:
        p |= dict(zip("ifo" if cell.forget_gate else "io", cell.peepholes, strict=True))

    for t in range(STEPS):
        x = inputs[:, t]
        total = {gate: x @ w[gate].T + h @ u[gate].T + b[gate] for gate in w}
        i = torch.sigmoid(total["i"] + p["i"] * c)
        f = torch.sigmoid(total["f"] + p["f"] * c) if cell.forget_gate else 1.0
        c = f * c + i * torch.tanh(total["g"])
        o = torch.sigmoid(total["o"] + p["o"] * c)
        h = o * torch.tanh(c)
        same(outputs[:, t], h)
    same((last.hidden, last.cell), (h, c))


def test_without_a_forget_gate_nothing_is_learned_in_vain() -> None:
    cell = make("lstm_1997_peepholes")
    outputs, _ = cell.unroll(draw(cell), draw_state(cell))
    outputs.square().sum().backward()
    assert all(parameter.grad.ne(0).all() for parameter in cell.parameters())
    assert cell.bias.shape == (3 * HIDDEN,)


def test_the_error_carousel_neither_shrinks_nor_grows_gradients() -> None:
    # Hochreiter and Schmidhuber (1997): with f = 1 and nothing fed back through the gates,
    # d c_T / d c_0 is exactly 1.
    cell = lstm(INPUT, **PLAIN_1997).double()
    with torch.no_grad():
        cell.recurrent_weight.zero_()
    start = draw_state(cell)
    memory = start.cell.requires_grad_()
    _, last = cell.unroll(draw(cell), start)
    (slope,) = torch.autograd.grad(last.cell.sum(), memory)
    same(slope, torch.ones_like(slope))


def test_gate_biases_begin_where_set() -> None:
    cell = lstm(INPUT, input_bias=-1.0, forget_bias=2.0, candidate_bias=0.5, output_bias=3.0)
    begins = {gate: bias.tolist() for gate, bias in blocks(cell, cell.bias).items()}
    assert begins == {
        "i": [-1.0] * HIDDEN,
        "f": [2.0] * HIDDEN,
        "g": [0.5] * HIDDEN,
        "o": [3.0] * HIDDEN,
    }


def test_gate_biases_begin_where_set_without_a_forget_gate() -> None:
    cell = lstm(INPUT, input_bias=-1.0, candidate_bias=0.5, output_bias=3.0, **PLAIN_1997)
    assert cell.bias.tolist() == [-1.0] * HIDDEN + [0.5] * HIDDEN + [3.0] * HIDDEN


def test_peepholes_begin_at_zero() -> None:
    assert not lstm(INPUT, peepholes=True).peepholes.any()


@pytest.mark.parametrize("steps", [3, 100])
def test_chrono_biases_lie_within_their_bounds(steps: int) -> None:
    cell = lstm(INPUT, hidden_size=1000, chrono_steps=steps, output_bias=0.5, **CHRONO)
    write, keep, candidate, read = cell.bias.split(1000)
    assert torch.equal(write, -keep)
    assert keep.min() >= 0
    assert keep.max() <= math.log(steps - 1)
    # a keep gate at sigmoid(b_f) remembers for about exp(b_f) + 1 steps: uniform up to `steps`
    assert keep.exp().mean().item() == pytest.approx(steps / 2, rel=0.1)
    assert not candidate.any()
    assert (read == 0.5).all()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"chrono_steps": 2, **CHRONO}, "chrono_steps must be 3 or more, got 2"),
        ({"chrono_steps": 9}, "forget_bias=null"),
        ({"chrono_steps": 9, "forget_gate": False, **CHRONO}, "forget_gate=true"),
        ({"input_bias": None}, "input_bias must be a number"),
        ({"forget_bias": None}, "forget_bias must be a number"),
        ({"forget_gate": False}, "forget_bias must be null with forget_gate=false, got 1.0"),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        lstm(INPUT, **settings)
