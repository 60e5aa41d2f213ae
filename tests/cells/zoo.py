"""Every cell, small, in float64: a new cell is one more word in `CELLS`."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from rnnlab.cells import GRU, LSTM, Cell, Elman, Jordan, Stack, Taps, TapsMLP
from rnnlab.spec import Reals, Tokens
from rnnlab.state import State, leaves, map_state

INPUT, HIDDEN, BATCH, STEPS = 3, 4, 3, 6

weights = {"input_init": "xavier", "recurrent_init": "orthogonal", "recurrent_scale": 1.0}
elman = partial(Elman, hidden_size=HIDDEN, activation="tanh", **weights)
gru = partial(GRU, hidden_size=HIDDEN, update_bias=0.0, **weights)
lstm = partial(
    LSTM,
    hidden_size=HIDDEN,
    input_bias=0.0,
    forget_bias=1.0,
    candidate_bias=0.0,
    output_bias=0.0,
    forget_gate=True,
    peepholes=False,
    chrono_steps=None,
    **weights,
)
jordan = partial(
    Jordan,
    hidden_sizes=[HIDDEN],
    activation="tanh",
    decay=0.5,
    teacher_forcing=False,
    input_init="xavier",
)
taps = partial(Taps, taps=3)
taps_mlp = partial(TapsMLP, taps=3, hidden_sizes=[HIDDEN], activation="tanh", input_init="xavier")

CELLS: dict[str, Callable[[], Cell]] = {
    "elman": partial(elman, INPUT),
    "elman_relu": partial(elman, INPUT, activation="relu"),
    "elman_sigmoid": partial(elman, INPUT, activation="sigmoid"),
    "gru": partial(gru, INPUT),
    "lstm": partial(lstm, INPUT),
    "lstm_1997": partial(lstm, INPUT, forget_gate=False, forget_bias=None),
    "lstm_peepholes": partial(lstm, INPUT, peepholes=True),
    "lstm_1997_peepholes": partial(
        lstm, INPUT, forget_gate=False, forget_bias=None, peepholes=True
    ),
    "jordan": partial(jordan, INPUT, Reals(2)),
    "jordan_tokens": partial(jordan, INPUT, Tokens(3)),
    "jordan_taught": partial(jordan, INPUT, Reals(2), teacher_forcing=True),
    "taps": partial(taps, INPUT),
    "taps_one": partial(taps, INPUT, taps=1),
    "taps_longer_than_input": partial(taps, INPUT, taps=STEPS + 3),
    "taps_mlp": partial(taps_mlp, INPUT),
    "taps_mlp_deep": partial(taps_mlp, INPUT, hidden_sizes=[5, 2], activation="relu"),
    "stack": lambda: Stack([gru(INPUT), gru(HIDDEN)], 0.0),
    "stack_mixed": lambda: Stack([taps(INPUT), lstm(3 * INPUT), jordan(HIDDEN, Tokens(2))], 0.0),
}
RECURRENT = [name for name in CELLS if not name.startswith("taps")]


def scatter(module: torch.nn.Module, scale: float = 0.5) -> torch.nn.Module:
    """Give every parameter its own random value, so that no 0 or 1 hides a missing term."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=scale)
    return module


def make(name: str) -> Cell:
    """Build one of `CELLS` in float64 with scattered parameters."""
    cell = CELLS[name]()
    scatter(cell.double())
    return cell


def draw(cell: Cell, steps: int = STEPS) -> Tensor:
    """Draw inputs `(B, T, I)`."""
    return torch.randn(BATCH, steps, cell.input_size, dtype=torch.float64)


def prefix_mask(lengths: list[int], steps: int = STEPS) -> Tensor:
    """Give the mask `(B, T)` of rows with so many real steps."""
    return torch.arange(steps) < torch.tensor(lengths)[:, None]


def draw_state(cell: Cell) -> State:
    """Draw a state, as if something had gone before."""
    return map_state(torch.randn_like, cell.initial_state(BATCH))


def same(one: State, other: State, **tolerance: float) -> None:
    """Hold two trees of tensors equal."""
    for a, b in zip(leaves(one), leaves(other), strict=True):
        torch.testing.assert_close(a, b, **tolerance)
