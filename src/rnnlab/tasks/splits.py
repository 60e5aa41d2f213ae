"""Split problems by content, so that none of train stands in val or test."""

import numpy as np


def mix(keys: np.ndarray) -> np.ndarray:
    """Scramble uint64 keys, one to one (the finaliser of SplitMix64; Steele et al., 2014)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def split_of(keys: np.ndarray) -> np.ndarray:
    """Give each uint64 key its place in `rnnlab.spec.SPLITS`: 80 % train, 10 % val, 10 % test.

    The place depends on the key alone, neither on a seed nor on what else there is.
    """
    tenth = mix(mix(keys) + np.uint64(0x9E3779B97F4A7C15)) % np.uint64(10)
    return np.maximum(tenth.astype(np.int64) - 7, 0)
