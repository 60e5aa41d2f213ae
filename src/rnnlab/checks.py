"""Ranges that constructors declare in their annotations and `config.py` checks before building.

A keyword-only argument is a config key; its annotation is the whole of its check:
`taps: PositiveInt` refuses 0 with one clear line, before anything is made.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

PositiveInt = Annotated[int, Ge(1)]
Count = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Lt(2**32)]  # a larger one is two words, which may meet another stream
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]
DropoutRate = Annotated[float, Ge(0), Lt(1)]
Share = Annotated[float, Gt(0), Lt(1)]
