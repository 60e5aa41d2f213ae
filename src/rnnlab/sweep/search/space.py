"""What a search searches: the settings whose words name several values or an interval of them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from rnnlab.config.overrides import parse
from rnnlab.errors import ConfigError

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = str | int | float


@dataclass(frozen=True)
class Choice:
    """One of several words.

    Attributes:
        key: the setting, as it is written before the equals sign.
        values: the words.
    """

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.values)

    @property
    def ends(self) -> tuple[Value, Value]:
        """Give the first value and the last."""
        return self.values[0], self.values[-1]

    def suggest(self, trial: "Trial") -> Value:
        """Let a trial choose."""
        return trial.suggest_categorical(self.key, self.values)

    def word(self, value: Value) -> str:
        """Spell a value as a word of the command line."""
        return f"{self.key}={value}"


@dataclass(frozen=True)
class Number:
    """A number, whole if its step is.

    Attributes:
        key: the setting, as it is written before the equals sign.
        low: the least.
        high: the largest, which may be taken too.
        step: between two values; `None`: any number between the ends.
        log: whether each power of ten is as likely as another.
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
        """Give the least and the largest."""
        return self.low, self.high

    @property
    def values(self) -> Sequence[Value] | None:
        """Give all there are, or `None` where they can't be counted."""
        if self.step is None:
            return None
        if isinstance(self.low, int) and isinstance(self.step, int):
            return range(self.low, int(self.high) + 1, self.step)
        count = round((self.high - self.low) / self.step) + 1
        return [_rounded(self.low + n * self.step) for n in range(count)]

    def suggest(self, trial: "Trial") -> Value:
        """Let a trial choose."""
        if isinstance(self.low, int) and isinstance(self.step, int):
            high = int(self.high)
            return trial.suggest_int(self.key, self.low, high, step=self.step, log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def word(self, value: Value) -> str:
        """Spell a value as a word of the command line."""
        return f"{self.key}={value if self.step is None else _rounded(value)}"


Dimension = Choice | Number


@dataclass(frozen=True)
class Space:
    """The words of a search.

    Attributes:
        fixed: those that all jobs share, by their keys.
        dimensions: what is searched.
    """

    fixed: dict[str, str]
    dimensions: list[Dimension]

    @classmethod
    def read(
        cls, words: Iterable[str], unsearchable: Iterable[str], is_real: Callable[[str], bool]
    ) -> "Space":
        """Sort the words of a command line; of two with the same key the later counts.

        Args:
            words: in Hydra's grammar.
            unsearchable: keys that must have one value.
            is_real: tells whether a key's number need not be whole.

        Raises:
            ConfigError: what is wrong with them, a line for each; or nothing is to be searched.
        """
        overrides: dict[str, Override] = {}
        for override in map(parse, words):
            overrides.pop(override.get_key_element(), None)  # it stands where it counts
            overrides[override.get_key_element()] = override
        fixed: dict[str, str] = {}
        dimensions: list[Dimension] = []
        problems = []
        for key, override in overrides.items():
            if not override.is_sweep_override():
                fixed[key] = str(override.input_line)
            elif override.key_or_group in unsearchable:
                problems.append(f"{key} can't be searched: all trials of a search share it")
            else:
                try:
                    dimensions.append(_dimension(key, override, is_real))
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

    def words(self, values: Mapping[str, Value]) -> list[str]:
        """Give the words of a job with these values of what is searched."""
        return [*self.fixed.values(), *self.chosen(values)]

    def chosen(self, values: Mapping[str, Value]) -> list[str]:
        """Give the words of what is searched alone."""
        return [dimension.word(values[dimension.key]) for dimension in self.dimensions]


def _dimension(key: str, override: Override, is_real: Callable[[str], bool]) -> Dimension:
    """Read what one word names."""
    sweep = override.value()
    if getattr(sweep, "shuffle", False):
        raise ConfigError("a search has no order to shuffle")
    if isinstance(sweep, ChoiceSweep):
        return _choice(key, sweep, list(override.sweep_string_iterator()))
    if not isinstance(sweep, RangeSweep | IntervalSweep):
        raise ConfigError("a search needs the values by their names: choice(a,b)")
    if sweep.tags - {"log"}:
        raise ConfigError(f"the only tag is log, got {', '.join(sorted(sweep.tags))}")
    if isinstance(sweep, RangeSweep):
        made = _range(key, sweep)
    else:
        made = _interval(key, sweep, is_real(override.key_or_group))
    if made.log and made.low <= 0:
        raise ConfigError(f"log takes numbers above 0, got {made.low}")
    return made


def _choice(key: str, sweep: ChoiceSweep, values: list[str]) -> Choice:
    if sweep.tags:
        raise ConfigError("a tag goes with an interval or a range")
    if len(set(values)) < len(values):
        raise ConfigError("a value stands there twice")
    return Choice(key, tuple(values))


def _interval(key: str, sweep: IntervalSweep, is_real: bool) -> Number:
    low, high, log = float(sweep.start or 0), float(sweep.end or 0), "log" in sweep.tags
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError("an interval goes from a number to a larger one")
    if low.is_integer() and high.is_integer() and not is_real:  # Hydra reads all ends as floats
        return Number(key, int(low), int(high), 1, log)
    return Number(key, low, high, None, log)


def _range(key: str, sweep: RangeSweep) -> Number:
    # As texts they are the decimal numbers that were typed.
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
    """Give a number without the dust that adding steps leaves."""
    return float(f"{value:.12g}") if isinstance(value, float) else value
