"""The Transformer that reads a stream: causal self-attention over cached keys and values."""

import math
from typing import Annotated, ClassVar, NamedTuple

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells import readable
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model, source_of
from rnnlab.models.transformer_layers import Embedding, Layer, PositionKind
from rnnlab.ranges import BelowOne, Layers, PositiveInt
from rnnlab.spec import Batch, Layout, TaskSpec
from rnnlab.stackable import stackable

Context = Annotated[int, Ge(2), Le(2**20)]


class TransformerState(NamedTuple):
    """The keys and values of the last steps, and those of the source.

    Attributes:
        caches: `(B, C, 2 H)` of each layer, oldest first; C is `context` - 1.
        steps: `(B,)` int64, the number of steps so far; of the C only the last so many are real.
        memory: `(B, S, 2 H)` of each layer, keys and values of the source; none without encoder.
        mask: `(B, S)` bool, True on real source steps.
    """

    caches: tuple[Tensor, ...]
    steps: Tensor
    memory: tuple[Tensor, ...]
    mask: Tensor


@stackable()
class Transformer(Model):
    """A causal Transformer: output t attends to the inputs up to t.

        x_t = E input_t + position_t;  x = layer_L(... layer_1(x));  y_t = V norm(x_t) + d

    Vaswani et al. (2017), the decoder without encoder, with norms before the parts of a layer
    (Xiong et al., 2020); see `Layer`. The state is the cache of keys and values, so that a step
    costs as much as attention over `context` steps. `Batch.initial` is read as a step before the
    first input, by a linear layer of its own.

    Args:
        spec: input and output types.
        hidden_size: H.
        num_layers: L; an encoder has as many.
        num_heads: N, a divisor of H.
        feedforward_size: size of the hidden layer of each feed-forward net; `null` is 4 H.
        positions: how it knows the order of the steps: by vectors added to the input, learned or
            sinusoidal, whose number is `context`, after which they repeat; or by rotary queries and
            keys. Even with `none` a causal model can count steps (Haviv et al., 2022).
        context: number of steps that a step attends to, itself included; a source is seen whole.
        dropout: dropout probability of embeddings and of the outputs of attention and feed-forward
            nets.

    Raises:
        ConfigError: the sizes don't fit each other.
    """

    layout: ClassVar[Layout] = "stream"
    is_map: ClassVar[bool] = False

    def __init__(
        self,
        spec: TaskSpec,
        *,
        hidden_size: PositiveInt,
        num_layers: Layers,
        num_heads: PositiveInt,
        feedforward_size: PositiveInt | None,
        positions: PositionKind,
        context: Context,
        dropout: BelowOne,
    ) -> None:
        super().__init__()
        check_sizes(hidden_size, num_heads, positions)
        if spec.target is None:
            raise ConfigError("a Transformer needs a task with a target")
        self.spec = spec
        self.hidden_size, self.context = hidden_size, context

        def layers(*, reads_memory: bool) -> nn.ModuleList:
            return nn.ModuleList(
                Layer(
                    hidden_size,
                    num_heads,
                    feedforward_size or 4 * hidden_size,
                    rotary=positions == "rotary",
                    dropout=dropout,
                    reads_memory=reads_memory,
                )
                for _ in range(num_layers)
            )

        self.encoder: Encoder | None = None
        if spec.source is not None:
            embedding = Embedding(spec.source, hidden_size, positions, context, dropout)
            self.encoder = Encoder(embedding, layers(reads_memory=False))
        self.embedding = Embedding(spec.input, hidden_size, positions, context, dropout)
        self.initial = None if spec.initial is None else nn.Linear(spec.initial.size, hidden_size)
        self.layers = layers(reads_memory=self.encoder is not None)
        self.norm = nn.LayerNorm(hidden_size)
        self.readout = nn.Linear(hidden_size, spec.target.size)

    def begin(self, batch: Batch) -> TransformerState:
        """Return an empty cache, or that of the one step that is `Batch.initial`."""
        return self._begin(batch, self.context - 1)

    def step(self, input: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Take one step: `(B,)` or `(B, I)`, state -> `(B, O)`, state."""
        output, state = self._run(input[:, None], state)
        return output[:, 0], state

    def forward(
        self, batch: Batch, state: TransformerState | None = None
    ) -> tuple[Tensor, TransformerState]:
        """Compute the outputs `(B, T, O)` of a batch, all steps at once."""
        state = self._begin(batch, 0) if state is None else state
        return self._run(batch.input, state)

    def attend(self, batch: Batch) -> Tensor:
        """Return the weights on the source, or without encoder on the input steps."""
        weights: list[Tensor] = []
        heads = [layer.memory_attention or layer.attention for layer in self._layers]
        hooks = [
            part.softmax.register_forward_hook(lambda *call: weights.append(call[-1]))
            for part in heads
        ]
        try:
            with readable(self):
                self(batch)
        finally:
            for hook in hooks:
                hook.remove()
        weights = weights[-len(heads) :]  # before them `Batch.initial` may have been read
        size = batch.input.shape[1] if self.encoder is None else weights[0].shape[3]
        return torch.stack([own[..., -size:] for own in weights], dim=1)

    @property
    def _layers(self) -> list[Layer]:
        """The layers, lowest first."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def _begin(self, batch: Batch, size: int) -> TransformerState:
        """Return the state before the first input, with room for `size` empty steps at least."""
        rows = batch.input.shape[0]
        empty = self.norm.weight.new_zeros(rows, size, 2 * self.hidden_size)
        steps = torch.zeros(rows, dtype=torch.int64, device=empty.device)
        memory, mask = self._encode(batch)
        state = TransformerState(tuple(empty for _ in self.layers), steps, memory, mask)
        if batch.initial is None:
            return state
        assert self.initial is not None, "the spec has none"
        return self._read(self.initial(batch.initial)[:, None], state)[1]

    def _encode(self, batch: Batch) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return keys and values of the source for each layer, and which of its steps are real."""
        if self.encoder is None:
            return (), batch.mask[:, :0]
        source, mask = source_of(batch)
        memory = self.encoder(source, mask)
        return tuple(layer.memory_keys_values(memory) for layer in self._layers), mask

    def _run(self, inputs: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Return the outputs `(B, T, O)`, and the state after them."""
        features, state = self._read(self.embedding(inputs, state.steps), state)
        return self.readout(self.norm(features)), state

    def _read(self, features: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Apply the layers to `(B, T, H)`; a state may hold fewer than C steps, and returns C."""
        length, cached = features.shape[1], state.caches[0].shape[1]
        visible = self._visible(state.steps, cached, length)
        real = state.mask[:, None, None]  # (B, 1, 1, S)
        caches = []
        for n, (layer, cache) in enumerate(zip(self.layers, state.caches, strict=True)):
            memory = state.memory[n] if state.memory else None
            features, keys_values = layer(features, visible, cache, memory, real)
            caches.append(last_steps(keys_values, self.context - 1))
        return features, state._replace(caches=tuple(caches), steps=state.steps + length)

    def _visible(self, steps: Tensor, cached: int, length: int) -> Tensor:
        """Return which of C + T steps each of the last T sees, `(B, 1, T, C + T)`."""
        place = torch.arange(cached + length, device=steps.device)
        age = place[cached:, None] - place  # (T, C + T)
        near = (age >= 0) & (age < self.context)
        real = cached - place <= steps[:, None]  # (B, C + T)
        return (near & real[:, None])[:, None]


@stackable()
class TransformerSeq2Seq(Transformer):
    """An encoder-decoder of Transformers: each layer of the decoder attends to the whole source.

    Vaswani et al. (2017), fig. 1, with norms before the parts of a layer. The encoder's layers see
    the whole source, before and after. Settings and state as `Transformer`.
    """

    layout: ClassVar[Layout] = "encoder_decoder"


class Encoder(nn.Module):
    """Layers in which each step of the source attends to all its real steps.

    Args:
        embedding: of the source.
        layers: lowest first.
    """

    def __init__(self, embedding: Embedding, layers: nn.ModuleList) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = layers
        self.norm = nn.LayerNorm(embedding.hidden_size)

    def forward(self, source: Tensor, mask: Tensor) -> Tensor:
        """Encode `(B, S)` or `(B, S, I)` as `(B, S, H)`; `mask` `(B, S)` is True on real steps."""
        features = self.embedding(source, source.new_zeros(source.shape[0], dtype=torch.int64))
        for layer in self.layers:
            features, _ = layer(features, mask[:, None, None])
        return self.norm(features)


def last_steps(steps: Tensor, size: int) -> Tensor:
    """Return the last `size` of `(B, S, ...)` steps; where there are fewer, after zeros."""
    steps = steps[:, max(0, steps.shape[1] - size) :]
    return F.pad(steps, (0, 0, size - steps.shape[1], 0))


def check_sizes(hidden_size: int, num_heads: int, positions: PositionKind) -> None:
    """Refuse sizes that can't be divided among heads, or into the pairs that positions need.

    Raises:
        ConfigError: the message begins with `hidden_size`.
    """
    parts = math.lcm(num_heads, {"rotary": 2 * num_heads, "sinusoidal": 2}.get(positions, 1))
    if hidden_size % parts:
        raise ConfigError(
            f"hidden_size must be a multiple of {parts} with num_heads={num_heads} and "
            f"positions={positions}, got {hidden_size}"
        )
