"""Vocabularies of data from files, and warnings about held-out symbols outside of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.spec import Split
from rnnlab.spelling import printable

_SHOWN = 10  # symbols in an error
UNKNOWN = "<unk>"
"""The symbol that replaces all others that are not in a vocabulary with a minimum count."""


def choose_symbols(
    train: Mapping[str, int],
    held_out: Iterable[str],
    min_count: int | None,
    stored: Sequence[str] | None = None,
) -> list[str]:
    """Choose a vocabulary: all symbols in order, or `UNKNOWN` and those with a minimum count.

    Args:
        train: number of occurrences of each symbol in the training data.
        held_out: the symbols of the other splits.
        min_count: minimum number of occurrences in the training data, or `None` for all symbols.
        stored: the vocabulary of a trained model, which is kept.

    Raises:
        ConfigError: no symbol has the minimum count, or a symbol and `UNKNOWN` are not in `stored`.
    """
    if stored is not None:
        others = sorted({*train, *held_out} - {*stored})
        if others and UNKNOWN not in stored:
            shown = ", ".join(map(repr, others[:_SHOWN])) + (", ..." if others[_SHOWN:] else "")
            raise ConfigError(
                f"the files must be of the {len(stored)} symbols that the model learnt, got "
                f"{len(others)} others: {printable(shown)}"
            )
        return list(stored)
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
        train: number of occurrences of each id in the training split.
        held_out: the same of each other split.
        what: the name of the symbols in the warning.
        advice: the end of the warning.
        unknown: the id of `UNKNOWN`, or `None` if the vocabulary has none.
    """
    seen = train > 0
    how = "never occur in training"
    if unknown is not None:
        seen[unknown : unknown + 1] = False
        how = f"are {UNKNOWN}"
    for split, counts in held_out.items():
        size, known = int(counts.sum()), int(counts[seen].sum())
        if size > 2 * known:
            yield (
                f"{size - known} of the {size} {what} in the {split} split {how}, so no "
                f"model can know them: {advice}"
            )
