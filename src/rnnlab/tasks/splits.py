"""Splits by content: a problem of train is never one of val or test."""

import numpy as np


def mix(keys: np.ndarray) -> np.ndarray:
    """Hash uint64 keys one to one (the finaliser of SplitMix64; Steele et al., 2014)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def split_of(keys: np.ndarray) -> np.ndarray:
    """Return the index in `spec.SPLITS` of each uint64 key: 80 % train, 10 % val, 10 % test.

    The split depends on the key only, neither on a seed nor on other keys.
    """
    tenth = mix(mix(keys) + np.uint64(0x9E3779B97F4A7C15)) % np.uint64(10)
    return np.maximum(tenth.astype(np.int64) - 7, 0)
