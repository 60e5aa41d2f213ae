"""The layers of Transformers: multi-head attention, feed-forward nets, positions."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.dropout import Dropout
from rnnlab.cells.init import init_input
from rnnlab.models.stream import Embed
from rnnlab.spec import Port, Tokens

PositionKind = Literal["learned", "sinusoidal", "rotary", "none"]
_LONGEST_WAVE = 10_000  # over 2 pi, in steps


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of N heads, each of D = H / N units.

        head_n = softmax(Q_n K_n' / sqrt(D)) V_n;  output = W (head_1, ..., head_N) + b

    Vaswani et al. (2017), section 3.2. With `rotary`, each query and key is rotated by its step
    before the product, which then depends on the distance of the two alone (Su et al., 2021,
    eq. 16).

    Args:
        hidden_size: H.
        num_heads: N, a divisor of H.
        rotary: whether steps are told by rotation; D is even then.

    Attributes:
        fast: whether torch's fused attention computes it, without weights; `readable` clears it.
        softmax: returns the weights `(B, N, T, S)` where it is not fused.
    """

    fast: bool = True

    def __init__(self, hidden_size: int, num_heads: int, *, rotary: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.rotary = rotary
        self.query = _linear(hidden_size, hidden_size)
        self.key_value = _linear(hidden_size, hidden_size, parts=2)
        self.softmax = nn.Softmax(dim=3)
        self.output = _linear(hidden_size, hidden_size)

    def forward(self, features: Tensor, keys_values: Tensor, visible: Tensor) -> Tensor:
        """Return the output `(B, T, H)`.

        Args:
            features: `(B, T, H)`, which queries are made of.
            keys_values: `(B, S, 2 H)`, made by `key_value`; with `rotary` the last T of the S
                steps are those of the queries.
            visible: bool, broadcast to `(B, N, T, S)`: which steps a query sees, one or more.
        """
        query = self._heads(self.query(features))
        key, value = (self._heads(part) for part in keys_values.chunk(2, dim=2))
        if self.rotary:
            query = rotated(query, key.shape[2] - query.shape[2])
            key = rotated(key, 0)
        if self.fast:
            heads = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        else:
            scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])  # (B, N, T, S)
            heads = self.softmax(scores.masked_fill(~visible, -math.inf)) @ value
        return self.output(heads.transpose(1, 2).flatten(2))

    def _heads(self, features: Tensor) -> Tensor:
        """Divide `(B, S, H)` among the heads, `(B, N, S, D)`."""
        return features.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


def rotated(vectors: Tensor, start: int) -> Tensor:
    """Rotate pairs of numbers in `(..., S, D)` by their step times a frequency of each pair.

    Su et al. (2021), eqs. 15 and 34; a pair is one number of the first half and one of the second.
    `start` is the first step.
    """
    steps = start + torch.arange(vectors.shape[-2], device=vectors.device)
    angles = _angles(steps, vectors.shape[-1]).to(vectors.dtype)
    cos, sin = angles.cos(), angles.sin()
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Layer(nn.Module):
    """One layer with the norm before each of its parts.

        x = x + attention(norm(x), cached and own steps)
        x = x + attention(norm(x), memory)         if it reads a memory
        x = x + W_2 gelu(W_1 norm(x) + b_1) + b_2

    Vaswani et al. (2017), section 3.1, with the norms of Xiong et al. (2020), fig. 1b, and the
    activation of Hendrycks and Gimpel (2016). Dropout on the output of each part.

    Args:
        hidden_size: H.
        num_heads: N.
        feedforward_size: size of the feed-forward net's hidden layer.
        rotary: as in `MultiHeadAttention`, of a layer's own steps.
        dropout: dropout probability.
        reads_memory: whether it attends to the memory of an encoder.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        feedforward_size: int,
        *,
        rotary: bool,
        dropout: float,
        reads_memory: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.attention = MultiHeadAttention(hidden_size, num_heads, rotary=rotary)
        self.memory_norm = nn.LayerNorm(hidden_size) if reads_memory else None
        self.memory_attention = (
            MultiHeadAttention(hidden_size, num_heads, rotary=False) if reads_memory else None
        )
        self.feedforward = nn.Sequential(
            nn.LayerNorm(hidden_size),
            _linear(hidden_size, feedforward_size),
            nn.GELU(),
            _linear(feedforward_size, hidden_size),
        )
        self.dropout = Dropout(dropout)

    def memory_keys_values(self, memory: Tensor) -> Tensor:
        """Return keys and values `(B, S, 2 H)` of an encoder's outputs `(B, S, H)`."""
        assert self.memory_attention is not None
        return self.memory_attention.key_value(memory)

    def forward(
        self,
        features: Tensor,
        visible: Tensor,
        cache: Tensor | None = None,
        memory: Tensor | None = None,
        memory_visible: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return features `(B, T, H)`, and keys and values `(B, C + T, 2 H)`.

        Args:
            features: `(B, T, H)`.
            visible: bool, broadcast to `(B, N, T, C + T)`.
            cache: `(B, C, 2 H)`, keys and values of earlier steps.
            memory: `(B, S, 2 H)`, made by `memory_keys_values`.
            memory_visible: bool, broadcast to `(B, N, T, S)`.
        """
        normed = self.norm(features)
        keys_values = self.attention.key_value(normed)
        if cache is not None:
            keys_values = torch.cat([cache, keys_values], dim=1)
        features = features + self.dropout(self.attention(normed, keys_values, visible))
        if self.memory_norm is not None and self.memory_attention is not None:
            normed = self.memory_norm(features)
            found = self.memory_attention(normed, memory, memory_visible)
            features = features + self.dropout(found)
        return features + self.dropout(self.feedforward(features)), keys_values


class Embedding(nn.Module):
    """Tokens or numbers as vectors of H units, plus a vector for each position.

    Sinusoidal positions are those of Vaswani et al. (2017), section 3.5, with all sines before all
    cosines. Positions count modulo `context`: within any `context` steps all differ.

    Args:
        port: what is embedded.
        hidden_size: H; even with sinusoidal positions.
        positions: rotary ones are added elsewhere.
        context: number of positions.
        dropout: dropout probability of the sum.
    """

    def __init__(
        self, port: Port, hidden_size: int, positions: PositionKind, context: int, dropout: float
    ) -> None:
        super().__init__()
        self.embed: nn.Module = (
            Embed(port, hidden_size)
            if isinstance(port, Tokens)
            else nn.Linear(port.size, hidden_size)
        )
        self.hidden_size, self.context = hidden_size, context
        self.positions: Tensor | None = None
        if positions == "learned":
            self.positions = nn.Parameter(torch.randn(context, hidden_size))
        elif positions == "sinusoidal":
            angles = _angles(torch.arange(context), hidden_size)
            waves = torch.cat([angles.sin(), angles.cos()], dim=1)
            del self.positions
            self.register_buffer("positions", waves.float(), persistent=False)
        self.dropout = Dropout(dropout)

    def forward(self, inputs: Tensor, start: Tensor) -> Tensor:
        """Embed `(B, T)` or `(B, T, I)` as `(B, T, H)`; `start` `(B,)` is the first step."""
        features = self.embed(inputs)
        if self.positions is not None:
            steps = start[:, None] + torch.arange(inputs.shape[1], device=inputs.device)
            features = features + F.embedding(steps % self.context, self.positions)
        return self.dropout(features)


def _angles(steps: Tensor, size: int) -> Tensor:
    """Return the angles `(S, size / 2)` of steps `(S,)` in waves from 2 pi steps to 10000 of it."""
    exponents = torch.arange(0, size, 2, dtype=torch.float64, device=steps.device) / size
    return steps[:, None] * float(_LONGEST_WAVE) ** -exponents


def _linear(input_size: int, output_size: int, *, parts: int = 1) -> nn.Linear:
    """Return a linear layer `(input_size) -> (parts output_size)` with biases of zero."""
    layer = nn.Linear(input_size, parts * output_size)
    init_input(layer.weight, "xavier", gates=parts)
    nn.init.zeros_(layer.bias)
    return layer
