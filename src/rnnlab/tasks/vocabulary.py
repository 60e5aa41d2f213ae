"""Vocabularies of data from files, and what of held-out data is in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.spec import Split
from rnnlab.spelling import printable

_SHOWN = 10  # symbols in an error
UNKNOWN = "<unk>"
"""What stands for every symbol that is not in a vocabulary, where it has a least count."""


def choose_symbols(
    train: Mapping[str, int],
    held_out: Iterable[str],
    min_count: int | None,
    known: Sequence[str] | None = None,
) -> list[str]:
    """Choose a vocabulary: all symbols in order, or `UNKNOWN` and those that are common enough.

    Args:
        train: how often each symbol stands in what is trained on.
        held_out: the symbols of all else.
        min_count: how often it must stand there, or `None` to take all.
        known: the vocabulary that a model has learnt, which stays.

    Raises:
        ConfigError: none does, or one is not known and nothing stands for such.
    """
    if known is not None:
        others = sorted({*train, *held_out} - {*known})
        if others and UNKNOWN not in known:
            shown = ", ".join(map(repr, others[:_SHOWN])) + (", ..." if others[_SHOWN:] else "")
            raise ConfigError(
                f"the files must be of the {len(known)} symbols that the model learnt, got "
                f"{len(others)} others: {printable(shown)}"
            )
        return list(known)
    if min_count is None:
        return sorted({*train, *held_out})
    common = sorted(symbol for symbol, count in train.items() if count >= min_count)
    if not common:
        raise ConfigError(
            f"task.min_count must leave some symbols, got {min_count}: the commonest stands "
            f"{max(train.values())} times in training"
        )
    return [UNKNOWN, *common]


def unseen_symbols(
    train: np.ndarray,
    held_out: dict[Split, np.ndarray],
    what: str,
    advice: str,
    unknown: int | None,
) -> Iterator[str]:
    """Warn where most symbols of a held-out split never occur in training.

    Args:
        train: all ids to train on.
        held_out: all ids of each other split.
        what: they are of, for the warning.
        advice: what may help.
        unknown: the id of `UNKNOWN`, or `None` where all symbols have their own.
    """
    seen = np.bincount(train) > 0
    how = "never occur in training"
    if unknown is not None:
        seen[unknown : unknown + 1] = False
        how = f"are {UNKNOWN}"
    for split, ids in held_out.items():
        known = int(seen[ids[ids < len(seen)]].sum())
        if len(ids) > 2 * known:
            yield (
                f"{len(ids) - known} of the {len(ids)} {what} in the {split} split {how}, so no "
                f"model can know them: {advice}"
            )
