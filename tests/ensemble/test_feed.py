"""What a group is fed is what its members draw, on the way to a GPU too."""

import pytest
import torch

from rnnlab.ensemble.batches import Batches
from rnnlab.ensemble.feed import Feed, _Drawn, _small
from tests.small_runs import assemble, tiny

CPU = torch.device("cpu")


@pytest.fixture
def experiments(tmp_path):
    words = [tiny(tmp_path, "task.min_length=1", f"seed={seed}") for seed in range(3)]
    return [assemble(each) for each in words]


def test_small_ids_are_the_same_ids(experiments) -> None:
    wide, small = (
        _Drawn(Batches(experiments), 4, unpadded=False, small=small) for small in (False, True)
    )
    assert len(wide) == 4
    for step in range(4):
        (one,), (other,) = wide[step], small[step]
        assert one.answered == other.answered
        for name, part in one.part.batch._asdict().items():
            twin = getattr(other.part.batch, name)
            assert (part is None) == (twin is None)
            if part is not None and part.dtype == torch.int64:
                assert twin.dtype == torch.uint8
                assert torch.equal(twin.long(), part)
            elif part is not None:
                assert torch.equal(twin, part)


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ([0, 255], torch.uint8),
        ([-1, 4], torch.int16),
        ([0, 256], torch.int16),
        ([0, 40_000], torch.int32),
        ([0, 2**40], torch.int64),
        ([], torch.int64),
    ],
)
def test_ids_get_the_smallest_type_that_holds_them(ids, dtype) -> None:
    wide = torch.tensor(ids, dtype=torch.int64)
    assert _small(wide).dtype == dtype
    assert torch.equal(_small(wide).long(), wide)


def test_numbers_stay_as_they_are() -> None:
    for part in (torch.randn(3), torch.tensor([True, False])):
        assert _small(part) is part


def test_on_the_cpu_a_feed_is_made_again_for_fewer_members(experiments) -> None:
    feed = Feed(experiments, CPU, 4, unpadded=False)
    assert feed(0)[0].part.batch.input.shape[0] == 3
    assert feed.keeps([0, 1, 2])
    assert not feed.keeps([0, 2])


def test_members_with_one_seed_share_their_batches_and_their_feed(tmp_path) -> None:
    words = [tiny(tmp_path, f"optimizer.lr={rate}") for rate in (0.1, 0.2, 0.3)]
    feed = Feed([assemble(each) for each in words], CPU, 4, unpadded=False)
    assert feed.shared
    assert feed.keeps([0])
