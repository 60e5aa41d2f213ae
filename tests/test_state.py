"""Trees of tensors."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from rnnlab.cells import LSTMState
from rnnlab.state import (
    detach,
    flatten,
    leaves,
    like,
    map_state,
    structure,
    unflatten,
    where,
)


class Pair(NamedTuple):
    left: Tensor
    right: tuple[Tensor, ...]


def tree(batch_size: int = 2) -> Pair:
    return Pair(
        torch.randn(batch_size, 3), (torch.randn(batch_size, 2, 2), torch.randn(batch_size))
    )


def test_map_keeps_the_types_of_the_tree() -> None:
    doubled = map_state(lambda a, b: a + b, tree_ := tree(), tree_)
    assert isinstance(doubled, Pair)
    assert type(doubled.right) is tuple
    assert torch.equal(doubled.right[0], 2 * tree_.right[0])


def test_map_refuses_trees_of_unlike_shape() -> None:
    with pytest.raises(ValueError, match="zip"):
        map_state(lambda a, b: a + b, (torch.ones(1), torch.ones(1)), (torch.ones(1),))


def test_like_undoes_leaves() -> None:
    state = tree()
    again = like(state, leaves(state))
    assert type(again) is Pair
    assert all(a is b for a, b in zip(leaves(again), leaves(state), strict=True))


def test_unflatten_undoes_flatten() -> None:
    state = Pair(torch.randn(2, 3), (torch.randn(2, 2, 2), torch.randn(2, 0, 5)))
    flat = flatten(state)
    assert flat.shape == (2, 7)
    again = unflatten(flat, map_state(lambda s: s[:1], state))
    for a, b in zip(leaves(again), leaves(state), strict=True):
        assert torch.equal(a, b)


def test_a_state_without_numbers_goes_flat_and_back() -> None:
    empty = torch.zeros(3, 0, 4)
    assert unflatten(flatten(empty), empty).shape == (3, 0, 4)


def test_structure_tells_types_and_sizes_but_not_batch_size() -> None:
    pair = (torch.ones(2, 3), torch.ones(2, 3))
    assert structure(pair) == structure((torch.ones(5, 3), torch.ones(5, 3)))
    assert structure(pair) != structure(LSTMState(*pair))
    assert structure(pair) != structure((torch.ones(2, 3), torch.ones(2, 4)))
    assert structure(pair) != structure(torch.ones(2, 3))


def test_where_picks_row_by_row_at_any_depth() -> None:
    yes, no = tree(), tree()
    mixed = where(torch.tensor([True, False]), yes, no)
    for picked, a, b in zip(leaves(mixed), leaves(yes), leaves(no), strict=True):
        assert torch.equal(picked[0], a[0])
        assert torch.equal(picked[1], b[1])


def test_detach_cuts_every_leaf() -> None:
    state = map_state(lambda s: s.requires_grad_(), tree())
    assert not any(leaf.requires_grad for leaf in leaves(detach(state)))
