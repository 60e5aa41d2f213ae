"""Where every random number comes from: a seed, a purpose, and a place within it.

numpy's SeedSequence mixes the three, so that no two streams meet; adding offsets to a seed would
make them, for torch's generators keep only 32 bits of one.
"""

import random
from typing import Literal

import numpy as np
import torch

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


def seed_globals(seed: int, purpose: Purpose, place: int = 0) -> None:
    """Seed the generators of torch, and those of Python and numpy that other code may use."""
    number = int(_sequence(seed, purpose, place).generate_state(1)[0])
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002


def _sequence(seed: int, purpose: Purpose, place: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, _NUMBERS[purpose], place])
