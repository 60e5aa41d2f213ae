"""Long short-term memory."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import Cell, last_real
from rnnlab.cells.fused import unroll_fused
from rnnlab.cells.init import InputInit, RecurrentInit, init_input, init_recurrent
from rnnlab.cells.kernels import ScanKernel
from rnnlab.errors import ConfigError
from rnnlab.ranges import Positive, PositiveInt, Real
from rnnlab.stackable import stackable

SATURATED = 1e4  # sigmoid(-1e4) is exactly 0 and sigmoid(1e4) exactly 1, in half precision too


class LSTMState(NamedTuple):
    """The state of an LSTM: hidden vector and memory cell, each `(B, H)`."""

    hidden: Tensor
    cell: Tensor


@stackable(
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
    """Long short-term memory: a memory cell c with input, forget and output gate.

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
        input_bias: initial value of b_i; `null` with `chrono_steps`.
        forget_bias: initial value of b_f; 1 avoids vanishing gradients early in training
            (Jozefowicz et al., 2015). `null` with `chrono_steps` or without the forget gate.
        candidate_bias: initial value of b_g.
        output_bias: initial value of b_o.
        forget_gate: False sets f = 1.
        peepholes: whether the gates read the memory cell; p is initialised to 0.
        chrono_steps: longest expected dependency in steps, for chrono initialisation: b_f =
            log(U(1, chrono_steps - 1)) and b_i = -b_f (Tallec and Ollivier, 2018, eq. 16).
            `null` turns it off.
        input_init: initialisation of each W.
        recurrent_init: initialisation of each U.
        recurrent_scale: factor of each U; with `recurrent_init=spectral` its spectral radius.
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
        gate_biases: list[Tensor | float | None]
        if chrono_steps is None:
            _check_biases(input_bias, forget_bias, forget_gate)
            gate_biases = [input_bias, forget_bias] if forget_gate else [input_bias]
        else:
            _check_chrono(chrono_steps, input_bias, forget_bias, forget_gate)
            chrono = torch.empty(hidden_size).uniform_(1, chrono_steps - 1).log()
            gate_biases = [-chrono, chrono]
        biases = [*gate_biases, candidate_bias, output_bias]
        with torch.no_grad():
            for block, bias in zip(self.bias.chunk(self.blocks), biases, strict=True):
                block.copy_(torch.as_tensor(bias))

    def initial_state(self, batch_size: int) -> LSTMState:
        """Return zeros, each `(B, H)`."""
        zeros = self.bias.new_zeros(batch_size, self.output_size)
        return LSTMState(hidden=zeros, cell=zeros)

    def forward(self, input: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Take one step: `(B, I)`, state -> `(B, H)`, state."""
        gates, cell = self._gates_and_cell(input, state)
        hidden = gates["output"] * torch.tanh(cell)
        return hidden, LSTMState(hidden, cell)

    def gates(self, input: Tensor, state: LSTMState) -> dict[str, Tensor]:
        """Return the activations of the gates in this step, each `(B, H)` from 0 to 1."""
        return self._gates_and_cell(input, state)[0]

    def _gates_and_cell(self, input: Tensor, state: LSTMState) -> tuple[dict[str, Tensor], Tensor]:
        """Return the gates and the new memory cell, which the output gate's peephole reads."""
        total = F.linear(input, self.input_weight, self.bias) + F.linear(
            state.hidden, self.recurrent_weight
        )
        input_gate, *forget_gate, candidate, output_gate = total.chunk(self.blocks, dim=1)
        if self.peepholes is not None:
            input_gate = input_gate + self.peepholes[0] * state.cell
            forget_gate = [f + self.peepholes[1] * state.cell for f in forget_gate]
        gates, cell = {}, state.cell
        if forget_gate:
            gates["forget"] = torch.sigmoid(forget_gate[0])
            cell = gates["forget"] * cell
        gates["input"] = torch.sigmoid(input_gate)
        cell = cell + gates["input"] * torch.tanh(candidate)
        if self.peepholes is not None:
            output_gate = output_gate + self.peepholes[-1] * cell
        gates["output"] = torch.sigmoid(output_gate)
        return gates, cell

    @property
    def is_standard(self) -> bool:
        """Whether this is the LSTM of torch, with a forget gate and without peepholes."""
        return self.forget_gate and self.peepholes is None

    def kernel(self) -> ScanKernel | None:
        """Return the kernel of the standard LSTM."""
        if not self.is_standard:
            return None
        return ScanKernel("lstm", self.input_weight, self.recurrent_weight, self.bias)

    def has_fast_twin(self, inputs: Tensor) -> bool:
        """Return True where torch's fused LSTM computes the same; it is 1.4 to 3 times as fast."""
        return self.is_standard and not _is_refused_by_torch(inputs)

    def unroll_fast(
        self, inputs: Tensor, state: LSTMState, mask: Tensor | None
    ) -> tuple[Tensor, LSTMState]:
        """Run torch's fused LSTM with these parameters.

        It takes no mask. With one, an extra input that is 1 on padding closes the input gate and
        opens the forget gate, which keeps the memory cell constant there; the final hidden state
        is the output at the last real step.
        """
        input_weight: Tensor = self.input_weight
        if mask is not None:
            block = self.bias.new_full((self.output_size, 1), SATURATED)
            zeros = torch.zeros_like(block)
            hold = torch.cat([-block, block, zeros, zeros])  # (4 H, 1): i, f, g, o
            input_weight = torch.cat([input_weight, hold], dim=1)  # (4 H, I + 1)
            inputs = torch.cat([inputs, (~mask)[..., None].to(inputs.dtype)], dim=2)
        weights = [input_weight, self.recurrent_weight, self.bias, torch.zeros_like(self.bias)]
        initial = (state.hidden[None].contiguous(), state.cell[None].contiguous())
        outputs, _, cell = unroll_fused(torch.lstm, inputs, initial, weights)
        return outputs, LSTMState(last_real(outputs, mask, state.hidden), cell[0])


def _is_refused_by_torch(inputs: Tensor) -> bool:
    """Whether torch.lstm raises an error (torch 2.13): bfloat16 on a CPU without AVX-512."""
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
