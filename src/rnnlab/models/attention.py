"""Attention: a weighted sum over what the encoder said of each source step."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Attention(nn.Module, ABC):
    """Score every source step against a query, and sum their values by softmax weight.

        a_ts = softmax_s(score(q_t, k_s));  context_t = sum_s a_ts v_s

    The memory is key and value at once; `keys` is computed once for all queries.
    """

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """`(B, S, M)` memory -> `(B, S, A)` keys."""

    @abstractmethod
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """`(B, T, Q)`, `(B, S, A)` -> `(B, T, S)`."""

    def forward(
        self, queries: Tensor, keys: Tensor, memory: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`(B, T, Q)`, keys, memory, mask `(B, S)` -> contexts `(B, T, M)`, weights `(B, T, S)`."""
        scores = self.scores(queries, keys).masked_fill(~mask[:, None], -math.inf)
        weights = scores.softmax(dim=2)
        return weights @ memory, weights


class AdditiveAttention(Attention):
    """score(q, k) = v . tanh(W q + U k), Bahdanau, Cho and Bengio (2015), appendix A.1.2."""

    def __init__(self, query_size: int, memory_size: int, attention_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, attention_size, bias=False)
        self.key = nn.Linear(memory_size, attention_size, bias=False)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """Give U k."""
        return self.key(memory)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Give v . tanh(W q + U k)."""
        energy = torch.tanh(self.query(queries)[:, :, None] + keys[:, None])
        return self.score(energy).squeeze(3)


class DotAttention(Attention):
    """score(q, k) = q . W k / sqrt(Q), Luong et al. (2015) "general", scaled by its size."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """Give W k."""
        return self.key(memory)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Give q . W k / sqrt(Q)."""
        return queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[2])
