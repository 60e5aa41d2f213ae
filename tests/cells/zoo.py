"""Every cell, small, in float64: a new cell is one more word in `CELLS`."""

from collections.abc import Callable
from functools import partial

from rnnlab.cells import (
    CTRNN,
    GRU,
    LSTM,
    MRNN,
    NTM,
    Cell,
    Elman,
    Jordan,
    MinGRU,
    Stack,
    StackRNN,
    Taps,
    TapsMLP,
)
from rnnlab.spec import Reals, Tokens
from rnnlab.testing.cells import (
    BATCH,
    STEPS,
    draw,
    draw_state,
    prefix_mask,
    same,
    scatter,
    scattered,
)

__all__ = ["BATCH", "STEPS", "draw", "draw_state", "prefix_mask", "same", "scatter"]
INPUT, HIDDEN = 3, 4

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
    hidden_size=HIDDEN,
    activation="tanh",
    decay=0.5,
    teacher_forcing=False,
    input_init="xavier",
)
ctrnn = partial(CTRNN, hidden_size=HIDDEN, activation="tanh", tau=3.0, dt=0.5, **weights)
mrnn = partial(MRNN, hidden_size=HIDDEN, num_factors=None, factor_bias=1.0, **weights)
min_gru = partial(MinGRU, hidden_size=HIDDEN, update_bias=0.0, input_init="xavier")
stack_rnn = partial(
    StackRNN,
    hidden_size=HIDDEN,
    num_stacks=3,
    depth=4,
    num_read=2,
    keep=True,
    recurrent=True,
    input_init="xavier",
)
ntm = partial(NTM, hidden_size=HIDDEN, num_locations=5, location_size=3, input_init="xavier")
taps = partial(Taps, taps=3)
taps_mlp = partial(TapsMLP, taps=3, hidden_size=HIDDEN, activation="tanh", input_init="xavier")

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
    "ctrnn": partial(ctrnn, INPUT),
    "ctrnn_taus": partial(ctrnn, INPUT, tau=[1.0, 2.0, 3.0, 4.0, 8.0][:HIDDEN]),
    "ctrnn_relu": partial(ctrnn, INPUT, activation="relu"),
    "mrnn": partial(mrnn, INPUT),
    "mrnn_few_factors": partial(mrnn, INPUT, num_factors=2),
    "min_gru": partial(min_gru, INPUT),
    "stack_rnn": partial(stack_rnn, INPUT),
    "stack_rnn_paper": partial(stack_rnn, INPUT, keep=False, recurrent=False),
    "ntm": partial(ntm, INPUT),
    "taps": partial(taps, INPUT),
    "taps_one": partial(taps, INPUT, taps=1),
    "taps_longer_than_input": partial(taps, INPUT, taps=STEPS + 3),
    "taps_mlp": partial(taps_mlp, INPUT),
    "taps_mlp_deep": partial(taps_mlp, INPUT, hidden_size=[5, 2], activation="relu"),
    "stack": lambda: Stack([gru(INPUT), gru(HIDDEN)], 0.0),
    "stack_mixed": lambda: Stack([taps(INPUT), lstm(3 * INPUT), jordan(HIDDEN, Tokens(2))], 0.0),
}
RECURRENT = [name for name in CELLS if not name.startswith("taps")]


def make(name: str) -> Cell:
    """Build one of `CELLS` in float64 with scattered parameters."""
    return scattered(CELLS[name])
