"""The search space: settings whose overrides give several values or an interval."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from rnnlab.config.overrides import parse_override
from rnnlab.errors import ConfigError

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = str | int | float


@dataclass(frozen=True)
class Choice:
    """A categorical dimension.

    Attributes:
        key: the setting, as written before the equals sign.
        values: the values, as typed.
    """

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.values)

    @property
    def ends(self) -> tuple[Value, Value]:
        """The first and the last value."""
        return self.values[0], self.values[-1]

    def suggest(self, trial: "Trial") -> Value:
        """Suggest a value in an Optuna trial."""
        return trial.suggest_categorical(self.key, self.values)

    def override(self, value: Value) -> str:
        """Format a value as an override."""
        return f"{self.key}={value}"


@dataclass(frozen=True)
class Number:
    """A numeric dimension, of ints if `low` and `step` are ints.

    Attributes:
        key: the setting, as written before the equals sign.
        low: lowest value.
        high: highest value, inclusive.
        step: distance between two values; `None` for any float between `low` and `high`.
        log: whether values are drawn uniformly on a logarithmic scale.
    """

    key: str
    low: int | float
    high: int | float
    step: int | float | None
    log: bool

    def __str__(self) -> str:
        steps = "" if self.step in (None, 1) else f" in steps of {self.step}"
        return f"{self.low} to {self.high}{steps}{', log' if self.log else ''}"

    @property
    def ends(self) -> tuple[Value, Value]:
        """The lowest and the highest value."""
        return self.low, self.high

    @property
    def values(self) -> Sequence[Value] | None:
        """All values, or `None` for an interval of floats."""
        if self.step is None:
            return None
        if isinstance(self.low, int) and isinstance(self.step, int):
            return range(self.low, int(self.high) + 1, self.step)
        count = round((self.high - self.low) / self.step) + 1
        return [_rounded(self.low + n * self.step) for n in range(count)]

    def suggest(self, trial: "Trial") -> Value:
        """Suggest a value in an Optuna trial."""
        if isinstance(self.low, int) and isinstance(self.step, int):
            high = int(self.high)
            return trial.suggest_int(self.key, self.low, high, step=self.step, log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def override(self, value: Value) -> str:
        """Format a value as an override."""
        return f"{self.key}={value if self.step is None else _rounded(value)}"


Dimension = Choice | Number


@dataclass(frozen=True)
class Space:
    """The overrides of a search.

    Attributes:
        fixed: key -> override, for the overrides that all jobs share.
        dimensions: the dimensions that are searched.
    """

    fixed: dict[str, str]
    dimensions: list[Dimension]

    @classmethod
    def read(
        cls,
        overrides: Iterable[str],
        not_searchable: Iterable[str],
        is_float: Callable[[str], bool],
    ) -> "Space":
        """Sort overrides into fixed ones and dimensions; of two with one key the later counts.

        Args:
            overrides: overrides in Hydra's grammar.
            not_searchable: keys that must have one value.
            is_float: whether the setting of a key takes floats.

        Raises:
            ConfigError: an override is invalid, one line each; or there is no dimension.
        """
        parsed: dict[str, Override] = {}
        for override in map(parse_override, overrides):
            parsed.pop(override.get_key_element(), None)  # the order is that of the later ones
            parsed[override.get_key_element()] = override
        fixed: dict[str, str] = {}
        dimensions: list[Dimension] = []
        problems = []
        for key, override in parsed.items():
            if not override.is_sweep_override():
                fixed[key] = str(override.input_line)
            elif override.key_or_group in not_searchable:
                problems.append(f"{key} can't be searched: all trials of a search share it")
            else:
                try:
                    dimensions.append(_dimension(key, override, is_float))
                except ConfigError as error:
                    problems.append(f"{override.input_line}: {error}")
        if problems:
            raise ConfigError("\n".join(problems))
        if not dimensions:
            raise ConfigError(
                "there is nothing to search: give a setting several values, such as "
                "'optimizer.lr=tag(log,interval(1e-4,1e-1))' or model=elman,gru"
            )
        return cls(fixed, dimensions)

    def overrides(self, values: Mapping[str, Value]) -> list[str]:
        """Return all overrides of a job with these values of the dimensions."""
        return [*self.fixed.values(), *self.searched_overrides(values)]

    def searched_overrides(self, values: Mapping[str, Value]) -> list[str]:
        """Return the overrides of the dimensions alone."""
        return [dimension.override(values[dimension.key]) for dimension in self.dimensions]


def _dimension(key: str, override: Override, is_float: Callable[[str], bool]) -> Dimension:
    """Read the dimension that one override gives."""
    sweep = override.value()
    if getattr(sweep, "shuffle", False):
        raise ConfigError("a search can't shuffle values")
    if isinstance(sweep, ChoiceSweep):
        return _choice(key, sweep, list(override.sweep_string_iterator()))
    if not isinstance(sweep, RangeSweep | IntervalSweep):
        raise ConfigError("a search needs a list of values, such as choice(a,b)")
    if sweep.tags - {"log"}:
        raise ConfigError(f"the only tag is log, got {', '.join(sorted(sweep.tags))}")
    if isinstance(sweep, RangeSweep):
        number = _range(key, sweep)
    else:
        number = _interval(key, sweep, is_float(override.key_or_group))
    if number.log and number.low <= 0:
        raise ConfigError(f"log takes numbers above 0, got {number.low}")
    return number


def _choice(key: str, sweep: ChoiceSweep, values: list[str]) -> Choice:
    if sweep.tags:
        raise ConfigError("a tag goes with an interval or a range")
    if len(set(values)) < len(values):
        raise ConfigError("a value is given twice")
    return Choice(key, tuple(values))


def _interval(key: str, sweep: IntervalSweep, is_float: bool) -> Number:
    low, high, log = float(sweep.start or 0), float(sweep.end or 0), "log" in sweep.tags
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError("an interval goes from a number to a larger one")
    if low.is_integer() and high.is_integer() and not is_float:  # Hydra reads all ends as floats
        return Number(key, int(low), int(high), 1, log)
    return Number(key, low, high, None, log)


def _range(key: str, sweep: RangeSweep) -> Number:
    # Converted through str, floats are the decimal numbers that were typed.
    start, stop, step = (Decimal(str(n)) for n in (sweep.start, sweep.stop, sweep.step))
    if not (start.is_finite() and stop.is_finite() and step.is_finite() and step):
        raise ConfigError("a range goes in finite steps from one number to another")
    count = math.ceil((stop - start) / step)
    if count < 1:
        raise ConfigError("the range is empty")
    low, high = sorted((start, start + (count - 1) * step))
    whole = all(isinstance(n, int) for n in (sweep.start, sweep.stop, sweep.step))
    kind: type[int] | type[float] = int if whole else float
    log = "log" in sweep.tags
    if log and (kind is float or abs(step) != 1):
        raise ConfigError("log goes with an interval, or a range in steps of 1")
    return Number(key, kind(low), kind(high), kind(abs(step)), log)


def _rounded(value: Value) -> Value:
    """Round off the floating-point error of adding steps."""
    return float(f"{value:.12g}") if isinstance(value, float) else value
