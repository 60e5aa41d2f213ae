"""Attention against its equations in loops."""

import math

import pytest
import torch
from torch import Tensor

from rnnlab.models.attention import AdditiveAttention, Attention, DotAttention
from tests.cells.zoo import prefix_mask, same, scatter

B, T, S, Q, M, A = 2, 3, 5, 4, 3, 6
LENGTHS = [5, 2]


def additive_score(attention: AdditiveAttention, q: Tensor, k: Tensor) -> float:
    """Bahdanau et al. (2015), A.1.2: a(s, h) = v . tanh(W s + U h), number by number."""
    w, u, v = attention.query.weight, attention.key.weight, attention.score.weight[0]
    total = 0.0
    for a in range(A):
        inside = sum(w[a, j] * q[j] for j in range(Q)) + sum(u[a, j] * k[j] for j in range(M))
        total += float(v[a]) * math.tanh(float(inside))
    return total


def dot_score(attention: DotAttention, q: Tensor, k: Tensor) -> float:
    """Luong et al. (2015), "general", scaled: q . W k / sqrt(Q)."""
    w = attention.key.weight
    return float(sum(q[i] * w[i, j] * k[j] for i in range(Q) for j in range(M)) / math.sqrt(Q))


def make(kind: str) -> Attention:
    attention = AdditiveAttention(Q, M, A) if kind == "additive" else DotAttention(Q, M)
    scatter(attention.double())
    return attention


def drawn() -> tuple[Tensor, Tensor]:
    return torch.randn(B, T, Q).double(), torch.randn(B, S, M).double()


both = pytest.mark.parametrize("kind", ["additive", "dot"])


@both
@torch.no_grad()
def test_contexts_and_weights_follow_the_equations(kind: str) -> None:
    attention = make(kind)
    score = {"additive": additive_score, "dot": dot_score}[kind]
    queries, memory = drawn()
    contexts, weights = attention(queries, attention.keys(memory), memory, prefix_mask(LENGTHS, S))
    for b, length in enumerate(LENGTHS):
        for t in range(T):
            powers = [
                math.exp(score(attention, queries[b, t], memory[b, s])) for s in range(length)
            ]
            expected = torch.zeros(S).double()
            expected[:length] = torch.tensor(powers).double() / sum(powers)
            same(weights[b, t], expected)
            same(contexts[b, t], sum(expected[s] * memory[b, s] for s in range(S)))


@both
def test_padding_gets_no_gradient_and_gives_none(kind: str) -> None:
    attention = make(kind)
    queries, memory = drawn()
    memory.requires_grad_()
    mask = prefix_mask(LENGTHS, S)
    contexts, _ = attention(queries, attention.keys(memory), memory, mask)
    contexts.square().sum().backward()
    assert (memory.grad[~mask] == 0).all()
    assert memory.grad[mask].all()


@both
def test_equal_scores_give_the_plain_mean(kind: str) -> None:
    attention = make(kind)
    with torch.no_grad():
        attention.key.weight.zero_()
    queries, memory = drawn()
    contexts, _ = attention(queries, attention.keys(memory), memory, torch.ones(B, S).bool())
    same(contexts, memory.mean(1, keepdim=True).expand(B, T, M))
