"""Where every random number comes from: a seed, a purpose, and a place within it.

numpy's SeedSequence mixes the three, so that no two streams meet; adding offsets to a seed would
make them, for torch's generators keep only 32 bits of one.
"""

import random
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

Purpose = Literal["train", "val", "test", "shuffle", "weights", "training", "task"]
_NUMBERS: dict[Purpose, int] = {
    "train": 0,  # the batches of each split
    "val": 1,
    "test": 2,
    "shuffle": 3,  # the order of a finite training set, epoch by epoch
    "weights": 4,  # how they begin
    "training": 5,  # dropout and scheduled sampling, process by process
    "task": 6,  # what a task itself is made of, the same in all splits
}


def generator(seed: int, purpose: Purpose, place: int) -> np.random.Generator:
    """Give a random stream of its own."""
    return np.random.default_rng(_sequence(seed, purpose, place))


def generators(seeds: Sequence[int], purpose: Purpose, place: int) -> list[np.random.Generator]:
    """Give `generator` of each seed; the mixing, most of what one costs, is done once for all."""
    entropy = (max(seeds), place)
    if min(seeds) < 0 or max(entropy) >= 2**32:  # one of more than a word, or none at all
        return [generator(seed, purpose, place) for seed in seeds]
    words = np.zeros((_POOL, len(seeds)), dtype=np.uint32)
    words[0], words[1], words[2] = seeds, _NUMBERS[purpose], place
    bits = [np.random.PCG64(_Mixed(state)) for state in _mix(words)]  # type: ignore[arg-type]
    return [np.random.Generator(own) for own in bits]


def seed_globals(seed: int, purpose: Purpose, place: int = 0, *, devices: bool = False) -> None:
    """Seed the generators of torch, and those of Python and numpy that other code may use.

    Those of other devices than the CPU are seeded if they are to be used: where they have not
    begun, torch would remember the seed for them.
    """
    number = int(_sequence(seed, purpose, place).generate_state(1)[0])
    if devices:
        torch.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002


def _sequence(seed: int, purpose: Purpose, place: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, _NUMBERS[purpose], place])


class _Mixed(np.random.bit_generator.ISeedSequence):
    """A seed sequence that has been mixed before."""

    def __init__(self, state: NDArray[np.uint64]) -> None:
        self._state = state

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """Give the words that PCG64 asks for."""
        assert (n_words, dtype) == (len(self._state), self._state.dtype)
        return self._state


def _constants(first: int, factor: int, hashes: int) -> NDArray[np.uint32]:
    """Give the constants of some hashes in a row, and the one that the last of them ends with."""
    powers = [first * pow(factor, n, 2**32) % 2**32 for n in range(hashes + 1)]
    return np.array(powers, dtype=np.uint32)[:, None]


_POOL = 4
_INTO_POOL = _constants(0x43B0D7E5, 0x931E8875, _POOL * _POOL)
_OUT_OF_POOL = _constants(0x8B51F9DD, 0x58F38DED, 2 * _POOL)
_OTHERS = [[n for n in range(_POOL) if n != source] for source in range(_POOL)]
_LEFT, _RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)


def _mix(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Do what `SeedSequence` does with entropy of `(4, N)` words, zeros last, for PCG64: `(N, 4)`.

    O'Neill (2015), Developing a seed_seq alternative, with numpy's constants.
    """
    pool = _hash(words, _INTO_POOL[: _POOL + 1])
    for source, others in enumerate(_OTHERS):
        first = _POOL + source * len(others)
        hashed = _hash(pool[source], _INTO_POOL[first : first + len(others) + 1])
        pool[others] = _fold(_LEFT * pool[others] - _RIGHT * hashed)
    state = _hash(np.concatenate([pool, pool]), _OUT_OF_POOL)
    return np.ascontiguousarray(state.T).astype("<u4").view("<u8").astype(np.uint64)


def _hash(words: NDArray[np.uint32], constants: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hash rows, or one row in several ways, each with its constant and the one after that."""
    return _fold((words ^ constants[:-1]) * constants[1:])


def _fold(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return words ^ (words >> np.uint32(16))
