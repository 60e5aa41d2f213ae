"""Random streams made side by side are those made one by one."""

import pytest

from rnnlab.random_streams import Generators, generator


@pytest.mark.parametrize(
    ("seeds", "index"),
    [
        ([0, 1, 2, 1], 0),
        ([2**32 - 1, 7], 2**32 - 1),
        ([2**31, 5, 123456789], 999),
        ([2**32, 3], 4),  # more than 32 bits: hashed one by one
        ([3, 4], 2**40),
    ],
)
def test_generators_of_many_seeds_are_those_of_each(seeds: list[int], index: int) -> None:
    for seed, one in zip(seeds, Generators(seeds)("val", index), strict=True):
        alone = generator(seed, "val", index)
        assert one.bit_generator.state == alone.bit_generator.state
        assert one.integers(10**9, size=5).tolist() == alone.integers(10**9, size=5).tolist()


def test_negative_seeds_are_refused_in_either_way() -> None:
    for make in (lambda: generator(-1, "val", 0), lambda: Generators([1, -1])("val", 0)):
        with pytest.raises(ValueError, match="non-negative"):
            make()


def test_indices_may_come_in_any_order() -> None:
    many = Generators([3, 1])
    for index in (0, 1, 2, 17, 18, 40, 5, 0, 39, 40, 41):
        for purpose in ("train", "val"):
            for seed, one in zip((3, 1), many(purpose, index), strict=True):
                alone = generator(seed, purpose, index)
                assert one.bit_generator.state == alone.bit_generator.state
