"""Long short-term memory."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import Cell, in_one_chunk, last_real
from rnnlab.cells.init import InputInit, RecurrentInit, init_input, init_recurrent
from rnnlab.errors import ConfigError
from rnnlab.grouping import groups
from rnnlab.ranges import Positive, PositiveInt, Real

SHUT = 1e4  # sigmoid(-1e4) is exactly 0 and sigmoid(1e4) exactly 1, in half precision too


class LSTMState(NamedTuple):
    """The two vectors that an LSTM carries, each `(B, H)`."""

    hidden: Tensor
    cell: Tensor


@groups(
    initial=[
        "input_bias",
        "forget_bias",
        "candidate_bias",
        "output_bias",
        "chrono_steps",
        "input_init",
        "recurrent_init",
        "recurrent_scale",
    ]
)
class LSTM(Cell):
    """Long short-term memory: a memory cell c behind three gates.

        i_t = sigmoid(W_i x_t + U_i h_{t-1} + p_i * c_{t-1} + b_i)    input gate (write)
        f_t = sigmoid(W_f x_t + U_f h_{t-1} + p_f * c_{t-1} + b_f)    forget gate (keep)
        g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)                       candidate
        c_t = f_t * c_{t-1} + i_t * g_t
        o_t = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o)        output gate (read)
        h_t = o_t * tanh(c_t)

    Hochreiter and Schmidhuber (1997), which has no forget gate (f = 1: `forget_gate=false`);
    Gers et al. (2000) for the forget gate and Gers et al. (2002) for the peepholes p. Weights are
    stacked in the order i, f, g, o, as in torch; without the forget gate i, g, o. Output: h.

    Args:
        input_size: I.
        hidden_size: H.
        input_bias: where b_i begins.
        forget_bias: where b_f begins; 1 keeps gradients alive early (Jozefowicz et al., 2015).
            `null` without the forget gate.
        candidate_bias: where b_g begins.
        output_bias: where b_o begins.
        forget_gate: False removes it: f = 1.
        peepholes: whether the gates see the memory cell; p begins at 0.
        chrono_steps: longest dependency expected, in steps; then b_f begins at
            log(U(1, chrono_steps - 1)) and b_i at -b_f (Tallec and Ollivier, 2018, eq. 16), and
            neither `forget_bias` nor `input_bias` may be given. `null` is off.
        input_init: how each W begins.
        recurrent_init: how each U begins.
        recurrent_scale: U is multiplied by this; its spectral radius for `spectral`.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        input_bias: Real | None,
        forget_bias: Real | None,
        candidate_bias: Real,
        output_bias: Real,
        forget_gate: bool,
        peepholes: bool,
        chrono_steps: PositiveInt | None,
        input_init: InputInit,
        recurrent_init: RecurrentInit,
        recurrent_scale: Positive,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        self.forget_gate = forget_gate
        self.blocks = 4 if forget_gate else 3
        size = self.blocks * hidden_size
        self.input_weight = nn.Parameter(torch.empty(size, input_size))
        self.recurrent_weight = nn.Parameter(torch.empty(size, hidden_size))
        self.bias = nn.Parameter(torch.empty(size))
        self.peepholes = (
            nn.Parameter(torch.zeros(self.blocks - 1, hidden_size)) if peepholes else None
        )
        init_input(self.input_weight, input_init, gates=self.blocks)
        init_recurrent(self.recurrent_weight, recurrent_init, recurrent_scale, gates=self.blocks)
        first: list[Tensor | float | None]
        if chrono_steps is None:
            _check_biases(input_bias, forget_bias, forget_gate)
            first = [input_bias, forget_bias] if forget_gate else [input_bias]
        else:
            _check_chrono(chrono_steps, input_bias, forget_bias, forget_gate)
            keep = torch.empty(hidden_size).uniform_(1, chrono_steps - 1).log()
            first = [-keep, keep]
        starts = [*first, candidate_bias, output_bias]
        with torch.no_grad():
            for block, start in zip(self.bias.chunk(self.blocks), starts, strict=True):
                block.copy_(torch.as_tensor(start))

    def initial_state(self, batch_size: int) -> LSTMState:
        """Give zeros, each `(B, H)`."""
        zeros = self.bias.new_zeros(batch_size, self.output_size)
        return LSTMState(hidden=zeros, cell=zeros)

    def forward(self, input: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Take one step: `(B, I)`, state -> `(B, H)`, state."""
        gates, cell = self._remember(input, state)
        hidden = gates["output"] * torch.tanh(cell)
        return hidden, LSTMState(hidden, cell)

    def gates(self, input: Tensor, state: LSTMState) -> dict[str, Tensor]:
        """Give how far each gate is open in this step, each `(B, H)` from 0 to 1."""
        return self._remember(input, state)[0]

    def _remember(self, input: Tensor, state: LSTMState) -> tuple[dict[str, Tensor], Tensor]:
        """Give the gates and the new memory cell, which the output gate's peephole sees."""
        total = F.linear(input, self.input_weight, self.bias) + F.linear(
            state.hidden, self.recurrent_weight
        )
        write, *keep, candidate, read = total.chunk(self.blocks, dim=1)
        if self.peepholes is not None:
            write = write + self.peepholes[0] * state.cell
            keep = [k + self.peepholes[1] * state.cell for k in keep]
        gates, cell = {}, state.cell
        if keep:
            gates["forget"] = torch.sigmoid(keep[0])
            cell = gates["forget"] * cell
        gates["input"] = torch.sigmoid(write)
        cell = cell + gates["input"] * torch.tanh(candidate)
        if self.peepholes is not None:
            read = read + self.peepholes[-1] * cell
        gates["output"] = torch.sigmoid(read)
        return gates, cell

    @property
    def is_common(self) -> bool:
        """Whether it is the LSTM of torch, with a forget gate and without peepholes."""
        return self.forget_gate and self.peepholes is None

    def has_fast_twin(self, inputs: Tensor) -> bool:
        """Torch's own is 1.4 to 3 times as fast."""
        return self.is_common and not _is_refused_by_torch(inputs)

    def unroll_fast(
        self, inputs: Tensor, state: LSTMState, mask: Tensor | None
    ) -> tuple[Tensor, LSTMState]:
        """Run torch's fused LSTM with these parameters.

        It knows no mask. One more input, 1 on padding, with a weight that shuts the input gate
        and opens the forget gate entirely, holds the memory cell there; the hidden state is
        picked from the outputs.
        """
        input_weight: Tensor = self.input_weight
        if mask is not None:
            block = self.bias.new_full((self.output_size, 1), SHUT)
            nothing = torch.zeros_like(block)
            hold = torch.cat([-block, block, nothing, nothing])
            input_weight = torch.cat([input_weight, hold], dim=1)
            inputs = torch.cat([inputs, (~mask)[..., None].to(inputs.dtype)], dim=2)
        weights = in_one_chunk(
            [input_weight, self.recurrent_weight, self.bias, torch.zeros_like(self.bias)]
        )
        start = (state.hidden[None].contiguous(), state.cell[None].contiguous())
        outputs, _, cell = torch.lstm(
            inputs, start, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True
        )
        return outputs, LSTMState(last_real(outputs, mask, state.hidden), cell[0])


def _is_refused_by_torch(inputs: Tensor) -> bool:
    """Whether torch's own ends with an error (2.13): bfloat16 on a CPU without AVX-512."""
    halved = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") != inputs.dtype
    return (
        inputs.device.type == "cpu"
        and halved
        and "AVX512" not in torch.backends.cpu.get_cpu_capability()
    )


def _check_biases(input_bias: float | None, forget_bias: float | None, forget_gate: bool) -> None:
    if input_bias is None:
        raise ConfigError("input_bias must be a number, got null")
    if forget_gate and forget_bias is None:
        raise ConfigError("forget_bias must be a number, got null")
    if not forget_gate and forget_bias is not None:
        raise ConfigError(f"forget_bias must be null with forget_gate=false, got {forget_bias}")


def _check_chrono(
    steps: int, input_bias: float | None, forget_bias: float | None, forget_gate: bool
) -> None:
    if steps < 3:
        raise ConfigError(f"chrono_steps must be 3 or more, got {steps}")
    if input_bias is not None or forget_bias is not None:
        raise ConfigError(
            "chrono_steps sets input_bias and forget_bias: give input_bias=null forget_bias=null"
        )
    if not forget_gate:
        raise ConfigError("chrono_steps needs the forget gate: forget_gate=true")
