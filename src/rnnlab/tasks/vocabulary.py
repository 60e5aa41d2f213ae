"""Vocabularies of data from files, and what of held-out data is in them."""

from collections.abc import Iterator

import numpy as np

from rnnlab.spec import Split


def unseen_symbols(
    train: np.ndarray, held_out: dict[Split, np.ndarray], what: str, advice: str
) -> Iterator[str]:
    """Warn where most symbols of a held-out split never occur in training.

    Args:
        train: all ids to train on.
        held_out: all ids of each other split.
        what: they are of, for the warning.
        advice: what may help.
    """
    seen = np.bincount(train) > 0
    for split, ids in held_out.items():
        known = int(seen[ids[ids < len(seen)]].sum())
        if len(ids) > 2 * known:
            yield (
                f"{len(ids) - known} of the {len(ids)} {what} in the {split} split never occur in "
                f"training, so no model can know them: {advice}"
            )
