"""Attention: a weighted sum of the encoder's outputs at all source steps."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Attention(nn.Module, ABC):
    """Attention of T queries over S source steps.

        a_ts = softmax_s(score(q_t, k_s));  context_t = sum_s a_ts v_s

    The values are the memory, the encoder's outputs `(B, S, M)`; the keys are a projection of it,
    computed once for all queries. Q is the size of a query, A that of a key.
    """

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """Project the memory to keys: `(B, S, M)` -> `(B, S, A)`."""

    @abstractmethod
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Score every key against every query: `(B, T, Q)`, `(B, S, A)` -> `(B, T, S)`."""

    def forward(
        self, queries: Tensor, keys: Tensor, memory: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return contexts `(B, T, M)` and weights `(B, T, S)`.

        Args:
            queries: `(B, T, Q)`.
            keys: `(B, S, A)`, made by `keys`.
            memory: `(B, S, M)`.
            mask: `(B, S)` bool, True on real source steps; the others get weight 0.
        """
        scores = self.scores(queries, keys)  # (B, T, S)
        weights = scores.masked_fill(~mask[:, None], -math.inf).softmax(dim=2)
        return weights @ memory, weights  # (B, T, M), (B, T, S)


class AdditiveAttention(Attention):
    """score(q, k) = v . tanh(W q + U k), Bahdanau, Cho and Bengio (2015), appendix A.1.2."""

    def __init__(self, query_size: int, memory_size: int, attention_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, attention_size, bias=False)
        self.key = nn.Linear(memory_size, attention_size, bias=False)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """Compute U k, `(B, S, A)`."""
        return self.key(memory)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Compute v . tanh(W q + U k), `(B, T, S)`."""
        energy = torch.tanh(self.query(queries)[:, :, None] + keys[:, None])  # (B, T, S, A)
        return self.score(energy).squeeze(3)  # (B, T, S)


class DotAttention(Attention):
    """score(q, k) = q . W k / sqrt(Q), Luong et al. (2015) "general", scaled by its size."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """Compute W k, `(B, S, Q)`."""
        return self.key(memory)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Compute q . W k / sqrt(Q), `(B, T, S)`."""
        return queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[2])  # (B, T, S)
