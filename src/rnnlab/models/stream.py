"""The stream model: embedding -> cells -> readout, with one output per input step."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells import Cell, Jordan, Stack, unroll_within
from rnnlab.cells.dropout import Dropout
from rnnlab.cells.taps import layer_sizes
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.ranges import BelowOne, Layers, PositiveInt
from rnnlab.spec import Batch, Layout, Reals, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.state import State, leaves, like


def _draws_by_kernels(settings: Mapping[str, Any]) -> str | None:
    """Kernels draw one mask for all windows of a horizon, the loops of a group one for each."""
    if settings["horizon"] is None or not settings["dropout"] or settings["num_layers"] == 1:
        return None
    return f"draws otherwise in a group with horizon={settings['horizon']} and dropout"


@stackable(alone=_draws_by_kernels)
class Stream(Model):
    """Layers of one kind of cell between an embedding and a linear readout.

        e_t = E x_t;  h_t, s_t = cell(e_t, s_{t-1});  y_t = V h_t + d

    Output t depends on the inputs up to t. With `spec.target=None` the model has no readout and
    returns the features h, as a part of another model.

    Args:
        spec: input and output types.
        context_size: size of the context vector that another model appends to each input.
        cell: builds one layer from its input size.
        num_layers: L; the layers share all settings but their sizes.
        dropout: dropout probability between layers, and before the readout unless the cell
            contains it.
        embedding_size: size of the learned embedding of a token; `null` is one-hot, and `auto` is
            one-hot up to 12 symbols, beyond which it is 64.
        initial_state: zero, or a learned parameter.
        horizon: largest number of steps that gradients flow back, `null` for all; see
            `unroll_within`.
    """

    layout: ClassVar[Layout] = "stream"

    def __init__(
        self,
        spec: TaskSpec,
        context_size: int = 0,
        *,
        cell: Callable[..., Cell],
        num_layers: Layers,
        dropout: BelowOne,
        embedding_size: PositiveInt | Literal["auto"] | None,
        initial_state: Literal["zero", "learned"],
        horizon: PositiveInt | None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.horizon = horizon
        self.embed = Embed(spec.input, embedding_size)
        self.cell = _stack(spec, self.embed.size + context_size, cell, num_layers, dropout)
        self.initial = (
            nn.ParameterList([leaf.clone() for leaf in leaves(self.cell.initial_state(1))])
            if initial_state == "learned"
            else None
        )
        top = self.cell.layers[-1]
        answered = top.answers and spec.target is not None
        if answered and dropout and num_layers == 1:
            raise ConfigError(
                f"dropout must be 0 with one layer that holds its own readout, got {dropout}"
            )
        self.dropout = Dropout(0.0 if answered else dropout)
        self.readout = (
            nn.Identity()
            if spec.target is None or answered
            else nn.Linear(top.output_size, spec.target.size)
        )
        self.taught = isinstance(top, Jordan) and top.teacher_forcing

    @property
    def output_size(self) -> int:
        """O, or H of the highest layer if there is no target."""
        return self.spec.target.size if self.spec.target is not None else self.cell.output_size

    @property
    def reads_targets(self) -> bool:
        """True for a Jordan network under teacher forcing."""
        return self.taught

    def zero_state(self, batch_size: int) -> State:
        """Return the initial state, learned or zero, without clamping."""
        state = self.cell.initial_state(batch_size)
        if self.initial is None:
            return state
        learned = [p.expand(batch_size, *p.shape[1:]) for p in self.initial]
        return like(state, learned)

    def begin(self, batch: Batch) -> State:
        """Return the initial state; `Batch.initial`, if given, clamps its first units."""
        state = self.zero_state(batch.input.shape[0])
        return state if batch.initial is None else self.cell.clamp(state, batch.initial)

    def step(
        self, input: Tensor, state: State, context: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Take one step of free running: `(B,)` or `(B, I)`, state -> `(B, O)`, state."""
        features = _join(self.embed(input), context)
        if self.taught:
            features = F.pad(features, (0, 2 * self.output_size))
        features, state = self.cell(features, state)
        return self.readout(self.dropout(features)), state

    def unroll(
        self,
        inputs: Tensor,
        state: State,
        mask: Tensor | None = None,
        teacher: Tensor | None = None,
        context: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Run over time: `(B, T)` or `(B, T, I)`, state -> `(B, T, O)`, state.

        Args:
            inputs: token ids or vectors.
            state: the state before the first step.
            mask: `(B, T)` bool, True on real steps; on padding the state stays constant.
            teacher: `(B, T, 2 O)`, previous targets and where they are used; see `Jordan`.
            context: `(B, T, context_size)`, appended to the inputs.
        """
        if self.embed.one_hot and context is None and teacher is None and self.cell.fast:
            features = inputs  # kernels read one-hot vectors by their indices
        else:
            features = _join(_join(self.embed(inputs), context), teacher)
        features, state = unroll_within(self.cell, features, state, self.horizon, mask)
        return self.readout(self.dropout(features)), state

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """Compute the outputs `(B, T, O)` of a batch."""
        state = self.begin(batch) if state is None else state
        return self.unroll(batch.input, state, teacher=self._teacher(batch))

    def _teacher(self, batch: Batch) -> Tensor | None:
        """Return the targets of step t-1, and 1 for each that is used, `(B, T, 2 O)`."""
        if not self.taught:
            return None
        target = batch.target
        if isinstance(self.spec.target, Tokens):
            target = F.one_hot(target, self.spec.target.vocab_size)
        forced = batch.mask[..., None].expand_as(target)
        if batch.target_mask is not None:
            forced = forced & batch.target_mask
        teacher = torch.cat([target, forced], dim=2)  # (B, T, 2 O)
        return F.pad(teacher, (0, 0, 1, 0))[:, :-1]  # one step later


# One-hot input has a small scale under any usual initialisation, so that it is slow to learn from:
# after 300 updates of the defaults, nats per character of Shakespeare (80 symbols) are 2.24 (Elman)
# and 2.15 (GRU) one-hot, 1.97 and 1.90 embedded; words right of a clause (410 symbols) .45 (GRU)
# and .36 (LSTM), .58 and .66; digits right of a sum (14 symbols) .53 and .49, .73 and .71. Memory
# for few symbols suffers from the larger scale: of symbols to be copied (10 with blank and cue)
# Elman networks recall all one-hot, and none but by chance embedded.
_ONE_HOT_SYMBOLS, _EMBEDDING_SIZE = 12, 64


class Embed(nn.Module):
    """Embedding of the input: a learned or one-hot vector for a token; reals stay as they are.

    Args:
        port: tokens or reals.
        embedding_size: size of a token's learned vector; `None` is one-hot, `auto` as in `Stream`.
            `None` or `auto` for reals.

    Attributes:
        size: size of the output vectors.
        one_hot: whether tokens become one-hot vectors.
    """

    def __init__(self, port: Tokens | Reals, embedding_size: int | Literal["auto"] | None) -> None:
        super().__init__()
        self.tokens = isinstance(port, Tokens)
        if embedding_size == "auto":
            large = self.tokens and port.size > _ONE_HOT_SYMBOLS
            embedding_size = _EMBEDDING_SIZE if large else None
        self.one_hot = self.tokens and not embedding_size
        if embedding_size and not self.tokens:
            raise ConfigError(
                "embedding_size must be auto or null where inputs are numbers, got "
                f"{embedding_size}"
            )
        self.size = embedding_size if self.tokens and embedding_size else port.size
        if self.tokens and embedding_size:
            self.weight = nn.Parameter(torch.randn(port.size, embedding_size))
        elif self.one_hot:
            self.register_buffer("weight", torch.eye(port.size), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed `(...)` ids or `(..., I)` numbers as `(..., size)`."""
        return F.embedding(inputs, self.weight) if self.tokens else inputs


def _stack(
    spec: TaskSpec,
    input_size: int,
    make: Callable[..., Cell],
    num_layers: int,
    dropout: float,
) -> Stack:
    cells: list[Cell] = []
    kind = make.func if isinstance(make, partial) else make
    answers = getattr(kind, "answers", False)
    for layer in range(num_layers):
        if not answers:
            cell = make(input_size)
        elif layer == num_layers - 1 and spec.target is not None:
            cell = make(input_size, spec.target)
        else:
            cell = _hidden_answering(make, input_size)
        cells.append(cell)
        input_size = cell.output_size
    return Stack(cells, dropout)


def _hidden_answering(make: Callable[..., Cell], input_size: int) -> Cell:
    """Make a Jordan layer whose output is not the model's: its output size is its last H."""
    settings = getattr(make, "keywords", {})
    if settings.get("teacher_forcing"):
        raise ConfigError(
            "teacher_forcing needs a layer that answers: it can't be true below another layer or "
            "inside an encoder-decoder model"
        )
    return make(input_size, Reals(layer_sizes(settings["hidden_size"])[-1]))


def _join(features: Tensor, more: Tensor | None) -> Tensor:
    return features if more is None else torch.cat([features, more], dim=-1)
