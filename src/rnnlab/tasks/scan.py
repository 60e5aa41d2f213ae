"""SCAN: commands in words become actions; some commands are unlike all of training."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnlab.errors import ConfigError
from rnnlab.random_streams import generator
from rnnlab.spec import Layout, Split
from rnnlab.stackable import stackable
from rnnlab.tasks.pairs import Numbering, Pool
from rnnlab.tasks.splits import split_of
from rnnlab.tasks.transduction import Pairs, TextTransduction

_PRIMITIVES = ("walk", "look", "run", "jump")
_DIRECTIONS = ("left", "right")
_REPEATS = {"": 1, " twice": 2, " thrice": 3}
_LONGEST_TRAINED = 22  # actions, of the split by length
_JUMP_SHARE = 0.1  # of train that is `jump` alone, in the split by jump

Command = tuple[str, list[str]]
"""A command in words, and its actions."""


def _simple() -> Iterator[Command]:
    """Yield the 34 commands of a verb and at most a direction."""
    for verb in _PRIMITIVES:
        yield verb, [f"I_{verb.upper()}"]
    for verb, side in product((*_PRIMITIVES, "turn"), _DIRECTIONS):
        turn, act = f"I_TURN_{side.upper()}", [f"I_{verb.upper()}"] if verb != "turn" else []
        yield f"{verb} {side}", [turn, *act]
        yield f"{verb} opposite {side}", [turn, turn, *act]
        yield f"{verb} around {side}", [turn, *act] * 4


@cache
def commands() -> list[Command]:
    """Return all 20,910 commands of the grammar of Lake and Baroni (2018), figures 1 and 7.

    C -> S | S and S | S after S;  S -> V | V twice | V thrice
    V -> U | D | D' opposite side | D' around side;  D -> D' side;  D' -> U | turn
    U -> walk | look | run | jump
    """
    repeated = [
        (words + word, actions * count)
        for words, actions in _simple()
        for word, count in _REPEATS.items()
    ]
    joined = [
        (f"{one} {word} {other}", first + second if word == "and" else second + first)
        for word in ("and", "after")
        for (one, first), (other, second) in product(repeated, repeated)
    ]
    return repeated + joined


@stackable()
class Scan(TextTransduction):
    """SCAN: `jump twice after walk left` -> `I_TURN_LEFT I_WALK I_JUMP I_JUMP`.

    Lake and Baroni (2018): who knows the words can follow all commands; networks can't always.
    Splits of the 20,910 commands into train and test:

    - `simple`: a hash of the command, 80 : 20. The paper's LSTM is right on 99.8 %.
    - `length`: train has up to 22 actions, test 24 to 48. The paper's best is 20.8 %, its LSTM
      13.8 %.
    - `jump`: train has all commands without `jump`, and `jump` itself in a tenth of all draws; test
      has all others with it. The paper's LSTM is right on 0.1 %, its best on 1.2 %.

    A tenth of train, by a hash, is val. Sequences of train are drawn at random.

    Args:
        by: how test differs from train.
    """

    def __init__(
        self, layout: Layout, seed: int, *, by: Literal["simple", "length", "jump"]
    ) -> None:
        self.by_jump = by == "jump"
        numbering = Numbering()
        pools = [
            numbering.pool(words.split() for words, _ in commands()),
            numbering.pool(actions for _, actions in commands()),
        ]
        super().__init__(layout, seed, list(numbering))
        self.sources, self.targets = (
            Pool(pool.ids + self.num_specials, pool.lengths) for pool in pools
        )
        self._indices = _split(by)

    def cut(self, text: str) -> list[str]:
        """Split a command into words."""
        return text.split()

    def join(self, symbols: list[str]) -> str:
        """Join words or actions."""
        return " ".join(symbols)

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """Return the number of batches of val or test; train is drawn without end."""
        return None if split == "train" else -(-len(self._indices[split]) // batch_size)

    def most_symbols(self, length: int | None) -> tuple[int, int]:  # noqa: ARG002
        """Return the most words of a command, and the most actions, in train."""
        trained = self._indices["train"]
        pools = (self.sources, self.targets)
        source, target = (int(pool.lengths[trained].max()) for pool in pools)
        return source, target

    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:
        """Draw commands of train, or take the next ones of val or test."""
        if length is not None:
            raise ConfigError(
                f"length can't be chosen where a grammar gives the commands, got {length}"
            )
        known = self._indices[split]
        if split == "train":
            rng = self.rng(split, index)
            chosen = rng.choice(known, size=batch_size)
            if self.by_jump:
                jumps = rng.random(batch_size) < _JUMP_SHARE
                chosen = np.where(jumps, _jump(), chosen)
        else:
            batch = index % -(-len(known) // batch_size)
            chosen = known[batch * batch_size : (batch + 1) * batch_size]
        parts = chosen[:, None]
        return Pairs(*self.sources.join(parts), *self.targets.join(parts))


def _jump() -> int:
    """Return where the command `jump` stands."""
    return next(index for index, (words, _) in enumerate(commands()) if words == "jump")


@cache
def _split(by: str) -> dict[Split, NDArray[np.int64]]:
    """Return where the commands of each split stand, held-out ones in random order."""
    numbers = np.arange(len(commands()))
    if by == "simple":
        order = generator(0, "task", 0).permutation(numbers)
        tested = np.isin(numbers, order[: len(numbers) // 5])
    elif by == "length":
        tested = np.array([len(actions) > _LONGEST_TRAINED for _, actions in commands()])
    else:
        tested = np.array(["jump" in words and words != "jump" for words, _ in commands()])
    held_out = split_of(numbers.astype(np.uint64)) == 1
    held_out[_jump()] = False
    parts: dict[Split, NDArray[np.bool_]] = {
        "train": ~tested & ~held_out,
        "val": ~tested & held_out,
        "test": tested,
    }
    mixed = generator(0, "task", 1).permutation(numbers)
    return {split: mixed[part[mixed]] for split, part in parts.items()}
