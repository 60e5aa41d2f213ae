"""Annotations of constructor arguments with ranges, which `config.build` checks before building.

A keyword-only argument is a config key; its annotation is the whole of its check:
`taps: PositiveInt` refuses 0 with one clear line, before anything is made.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Len, Lt


class NamesFile:
    """Marks a setting as the path of a file, whose hash `runs.named_files` adds to the config."""


_MOST = Le(2**53)  # above it not every integer is a float, nor is there so much memory
_LARGEST = Le(3e38)  # of float32

PositiveInt = Annotated[int, Ge(1), _MOST]
LayerSizes = PositiveInt | Annotated[list[PositiveInt], Len(1)]
Count = Annotated[int, Ge(0), _MOST]
Seed = Annotated[int, Ge(0), Lt(2**32)]  # a larger one is two words of entropy, as of other streams
Layers = Annotated[int, Ge(1), Le(1000)]  # each takes time to make, however small
Threads = Annotated[int, Ge(1), Le(256)]  # too many crash the process without an exception
Real = Annotated[float, Ge(-3e38), _LARGEST]
Positive = Annotated[float, Gt(0), _LARGEST]
Minutes = Annotated[float, Ge(1e-6), Le(1e9)]  # the limits of `timedelta`
Sequences = Annotated[int, Ge(1), Le(10**9)]  # more would take years to score
Positives = Annotated[list[Positive], Len(1)]
NonNegative = Annotated[float, Ge(0), _LARGEST]
Probability = Annotated[float, Ge(0), Le(1)]
PositiveProbability = Annotated[float, Gt(0), Le(1)]
BelowOne = Annotated[float, Ge(0), Lt(1)]
Share = Annotated[float, Gt(0), Lt(1)]
DataFile = Annotated[str, NamesFile]
