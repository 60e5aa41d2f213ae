"""Time series: predict the next value, and forecast by feeding predictions back."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.plots.draw import join, line_plot
from rnnlab.random_streams import generator
from rnnlab.ranges import DataFile, NonNegative, PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split
from rnnlab.stackable import stackable
from rnnlab.tasks import dynamics, forecasts
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.columns import Record, read_columns
from rnnlab.tasks.corpus import read_text
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.oscillation import to_tensor
from rnnlab.tasks.own_input import Cell, OwnInput
from rnnlab.tasks.package_data import package_file

SeriesName = Literal["sunspots", "airline", "lynx", "solar", "mackey_glass", "lorenz", "sines"]
_SHARE = 0.1  # of the rows for validation, and for test


class _Packaged(NamedTuple):
    """A series that a package carries, and the steps of its season."""

    package: str
    path: str
    season_steps: int


_PACKAGED = {
    "sunspots": _Packaged("statsmodels", "datasets/sunspots/sunspots.csv", 11),
    "airline": _Packaged("sktime", "datasets/data/Airline/Airline.csv", 12),
    "lynx": _Packaged("sktime", "datasets/data/Lynx/Lynx.csv", 10),
    "solar": _Packaged("sktime", "datasets/data/solar/solar.csv", 48),
}
_GENERATED: dict[str, tuple[tuple[str, ...], Callable[[], forecasts.Numbers]]] = {
    "mackey_glass": (("x",), dynamics.mackey_glass),
    "lorenz": (("x", "y", "z"), dynamics.lorenz),
    "sines": (("x",), dynamics.sines),
}


@stackable()
class Series(Task, OwnInput):
    """Time series: predict each value from those before it.

    Yule (1927) for sunspots; Weigend, Huberman and Rumelhart (1990) for networks. `cue_steps` 3,
    length 2, of the years 1700 to 1704:

        input    1700 1701 1702 1703
        target   1701 1702 1703 1704
        mask     .    .    x    x

    In free running the predictions are fed back, so that the values after the cue are a forecast.
    In the encoder-decoder layout the encoder reads the cue and the decoder continues.

    The splits are parts of the series in order, train first. Windows of train start every `stride`
    steps; those of the other splits follow each other, so that each value is predicted once, and
    their cues may lie in the split before. Values are standardised by mean and standard deviation
    of train, and a model is refused where these are others than it learnt with. The seed shuffles
    the windows of train, nothing else.

    Metrics, teacher-forced (one step) or free-running (up to `forecast_steps`): `loss`, the squared
    error of standardised values; `nmse`, the squared error over the variance of the whole record
    (the average relative variance of Weigend et al.), averaged over columns; `nrmse`, its root.

    The floors are scores on test of the mean of train (`loss`, `nmse`, `nrmse`), and the `nmse` of
    baselines, one step and up to `forecast_steps`: the last value, the last season (`seasonal`),
    and a linear autoregression over `cue_steps` values by least squares (`least_squares`).

    Args:
        name: a series of a package (yearly sunspots, monthly airline passengers, yearly lynx
            pelts, half-hourly solar power) or a generated one; `null` for `mackey_glass`, or with
            `path`.
        path: a CSV file, with or without a heading; `null` for a named series.
        column: name or number, from 1, of the column that is predicted, or several; `null` for the
            last. The first column gives the times if it is not among them, else times are the
            numbers of the rows, from 1.
        encoding: Python's name of the file's encoding; `null` for UTF-8.
        first: time of the first row that counts; `null` for that of the file.
        val_first: time of the first row of the validation split; `null` leaves it a tenth.
        test_first: time of the first row of the test split; `null` leaves it a tenth.
        last: time of the last row that counts; `null` for that of the file.
        season_steps: steps of a season, for the baseline; `null` for that of a named series, and
            none with `path`.
        cue_steps: values that are read before the first answer.
        length: values that are answered in a window of train.
        stride: steps between the starts of such windows; `null` for `length`, which answers each
            value once an epoch.
        forecast_steps: values that are answered in a window of validation and test.
        input_noise: standard deviation of the noise on the inputs of train, in standard deviations
            of the series.
    """

    higher_is_better: ClassVar = {**Task.higher_is_better, "nmse": False, "nrmse": False}
    by_line = False

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        name: SeriesName | None,
        path: DataFile | None,
        column: str | int | list[str | int] | None,
        encoding: str | None,
        first: str | int | None,
        val_first: str | int | None,
        test_first: str | int | None,
        last: str | int | None,
        season_steps: PositiveInt | None,
        cue_steps: PositiveInt,
        length: PositiveInt,
        stride: PositiveInt | None,
        forecast_steps: PositiveInt,
        input_noise: NonNegative,
    ) -> None:
        super().__init__(layout, seed)
        if name is None and path is None:
            name = "mackey_glass"
        columns = [column] if isinstance(column, str | int) else column
        record = _read(name, path, columns, encoding)
        self.name = name or "series"
        packaged = name in _PACKAGED
        # A package may change without any setting.
        self._digest = hashlib.sha256(record.values.tobytes()).hexdigest() if packaged else ""
        self.columns = self.target_names = record.names
        self.cue_steps, self.length = cue_steps, length
        self.lengths = Lengths(length, length)
        self.stride = stride or length
        self.forecast_steps = forecast_steps
        self.input_noise = input_noise
        begin = 0 if first is None else _row(record, "first", first)
        end = len(record.times) if last is None else _row(record, "last", last) + 1
        self.times = record.times[begin:end]
        tenth = max(1, round(len(self.times) * _SHARE))
        test = len(self.times) - tenth
        if test_first is not None:
            test = _row(record, "test_first", test_first) - begin
        val = test - tenth if val_first is None else _row(record, "val_first", val_first) - begin
        if not cue_steps < val < test < len(self.times):
            raise ConfigError(
                f"task: the splits must be {cue_steps + 1} or more rows of train (cue_steps and "
                f"one), then some of val, then some of test; of {len(self.times)} rows val begins "
                f"after {val} and test after {test}"
            )
        self.bounds = {
            "train": (cue_steps, val),
            "val": (val, test),
            "test": (test, len(self.times)),
        }
        raw = record.values[begin:end]
        self.mean, self.deviation = raw[:val].mean(0), raw[:val].std(0)
        if not self.deviation.all():
            constant = record.names[int(self.deviation.argmin())]
            raise ConfigError(f"task: the column {constant!r} must vary in train, got a constant")
        self.values = (raw - self.mean) / self.deviation
        self.variance = self.values.var(0)
        self.points = to_tensor(self.values)
        season = _PACKAGED[self.name].season_steps if packaged else None
        self.season_steps = season_steps or season
        if self.season_steps is not None and self.season_steps > test:
            raise ConfigError(
                f"task.season_steps must be at most {test}, the rows before test, got "
                f"{self.season_steps}"
            )
        numbers = Reals(len(self.columns))
        self.spec = self.spec_of(numbers, numbers, feedback=True)

    def longest(self, length: int | None = None) -> int:
        """Count the steps of a window of train, or of its cue if an encoder reads it."""
        return self.cue_steps + (
            0 if self.layout == "encoder_decoder" else (length or self.length) - 1
        )

    def num_batches(self, split: Split, batch_size: int) -> int:
        """Return the number of batches of one epoch; the last one may be smaller."""
        return -(-len(self.starts(split)) // batch_size)

    def starts(self, split: Split, length: int | None = None) -> np.ndarray:
        """Return the first answered row of each window of a split."""
        begin, end = self.bounds[split]
        if split != "train":
            return np.arange(begin, end, length or self.forecast_steps)
        length = length or self.length
        if self.stride == self.length:
            return np.arange(begin, end, length)
        return np.arange(begin, max(begin, end - length) + 1, self.stride)

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of windows; `length` counts the answered steps."""
        starts = self.starts(split, length)
        epoch, batch = divmod(index, -(-len(starts) // batch_size))
        if split == "train":
            starts = generator(self.seed, "shuffle", epoch).permutation(starts)
        starts = starts[batch * batch_size : (batch + 1) * batch_size]
        end = self.bounds[split][1]
        steps = length or (self.length if split == "train" else self.forecast_steps)
        rows = starts[:, None] + np.arange(-self.cue_steps, min(steps, (end - starts).max()))
        points = self.points[rows.clip(max=end - 1)]
        seen = points
        if split == "train" and self.input_noise:
            noise = self.rng(split, index).normal(0, self.input_noise, points.shape)
            seen = points + to_tensor(noise)
        answered = torch.from_numpy((rows >= starts[:, None]) & (rows < end))
        if self.layout == "stream":
            return Batch(seen[:, :-1], points[:, 1:], answered[:, 1:])
        cue = self.cue_steps
        known = torch.ones(len(starts), cue, dtype=torch.bool)
        source = seen[:, :cue]
        return Batch(seen[:, cue - 1 : -1], points[:, cue:], answered[:, cue:], source, known)

    @property
    def predicted(self) -> list[str]:  # type: ignore[override]  # the columns are known at last
        """The step after the last row, and a column for each that is forecast."""
        return ["step", *self.columns]

    def read_input(self, text: str, key: str, path: str) -> list[Tensor]:
        """Read a series, `(N, D)` standardised as in training, to be forecast from its end."""
        values = read_columns(text, self.columns, key, path).values
        if len(values) < self.cue_steps:
            raise ConfigError(
                f"{key}: {path} must have {self.cue_steps} rows or more, which the model reads "
                f"before its first answer, got {len(values)}"
            )
        return [to_tensor((values - self.mean) / self.deviation)]

    def input_batch(self, examples: Sequence[Tensor], length: int | None) -> Batch:
        """Make a batch of the last `cue_steps` rows, with as many answers after them."""
        cue = torch.stack([series[-self.cue_steps :] for series in examples])
        steps = length or self.forecast_steps
        blanks = cue.new_zeros(len(cue), steps - 1, cue.shape[2])
        read = cue[:, -1:] if self.layout == "encoder_decoder" else cue
        inputs = torch.cat([read, blanks], dim=1)
        mask = torch.ones(inputs.shape[:2], dtype=torch.bool)
        mask[:, : read.shape[1] - 1] = False
        batch = Batch(inputs, torch.zeros_like(inputs), mask)
        if self.layout == "stream":
            return batch
        known = torch.ones(cue.shape[:2], dtype=torch.bool)
        return batch._replace(source=cue, source_mask=known)

    def predictions(
        self,
        examples: Sequence[Tensor],  # noqa: ARG002
        batch: Batch,
        answers: Tensor,
        outputs: Tensor | None,  # noqa: ARG002
    ) -> list[list[Cell]]:
        """Return the forecast in the units of the series, a row a step."""
        forecast = self._in_units(answers[0][batch.mask[0]])
        return [[step, *row] for step, row in enumerate(forecast.tolist(), start=1)]

    @torch.no_grad()
    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the squared error over the variance of the record."""
        scores = super().metrics(output, batch)
        error = (output - batch.target)[batch.mask].square() / to_tensor(self.variance).to(output)
        scores["nmse"] = Mean(error.mean(), scores["loss"].weight)
        return scores

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return `nrmse`, the root of the mean of `nmse`."""
        return {"nrmse": math.sqrt(means["nmse"])} if "nmse" in means else {}

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores on test of the mean of train, and of forecasts that learn nothing or by fit."""
        begin, end = self.bounds["test"]
        error = self.values[begin:end] ** 2
        nmse = float((error / self.variance).mean())
        floors = {"loss": float(error.mean()), "nmse": nmse, "nrmse": math.sqrt(nmse)}
        forecast_steps = min(self.forecast_steps, end - begin)
        for prefix, steps in (("nmse", 1), ("nmse_forecast", forecast_steps)):
            for name, forecast in self._baselines(np.arange(begin, end, steps), steps).items():
                right = self.values[begin:end]
                error = forecast.reshape(-1, right.shape[1])[: len(right)] - right
                floors[f"{prefix}_{name}"] = float((error**2 / self.variance).mean())
        return floors

    def _baselines(self, starts: np.ndarray, steps: int) -> dict[str, forecasts.Numbers]:
        """Forecast `steps` values from each start by what a model must beat, `(W, steps, D)`."""
        weights = self.least_squares(self.cue_steps)
        found = {"last_value": forecasts.last_value(self.values, starts, steps)}
        if self.season_steps is not None:
            found["seasonal"] = forecasts.seasonal(self.values, starts, steps, self.season_steps)
        found["least_squares"] = forecasts.autoregressive(self.values, starts, steps, weights)
        return found

    def least_squares(self, lags: int) -> forecasts.Numbers:
        """Fit a linear autoregression to train, as `forecasts.least_squares` returns it."""
        begin, end = self.bounds["train"]
        return forecasts.least_squares(self.values, max(begin, lags), end, lags)

    def fingerprint(self) -> str:
        """Add mean and deviation, and a hash of a package's numbers."""
        scale = [f"{number:.5g}" for number in (*self.mean, *self.deviation)]
        return hashlib.sha256(
            repr((super().fingerprint(), *scale, self._digest)).encode()
        ).hexdigest()[:16]

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw the cue, then target, answers and the forecast by least squares over time."""
        pictures = []
        for row in range(min(3, len(batch.mask))):
            asked = batch.mask[row]
            start, steps = self._find(batch.target[row][asked]), int(asked.sum())
            begin = max(0, start - 2 * self.cue_steps)
            fitted = self._baselines(np.array([start]), steps)["least_squares"][0]
            answer = output[row][asked].float().cpu().numpy()
            curves = {
                "target": self.values[begin : start + steps],
                "answer": np.vstack([np.full_like(self.values[begin:start], np.nan), answer]),
                "least squares": np.vstack(
                    [np.full_like(self.values[begin:start], np.nan), fitted]
                ),
            }
            known = self.times[begin].isdecimal()
            x_start = float(self.times[begin]) if known else float(begin + 1)
            panels = {
                column: {
                    name: curve[:, side] * self.deviation[side] + self.mean[side]
                    for name, curve in curves.items()
                }
                for side, column in enumerate(self.columns)
            }
            picture = line_plot(
                panels,
                title=f"{self.name} from {self.times[start]}",
                x_label="time" if known else "row",
                x_start=x_start,
                shade_until=x_start + start - begin - 0.5,
            )
            pictures.append(picture)
        return join(pictures, vertical=True)

    def _find(self, answered: Tensor) -> int:
        """Return the row where a window's answered targets `(T, D)` stand in the series."""
        windows = self.points.unfold(0, len(answered), 1).transpose(1, 2)
        return int((windows == answered.cpu()).flatten(1).all(1).int().argmax())

    def table(self, batch: Batch, output: Tensor) -> list[list[str | float]]:
        """Return targets and outputs in the units of the series."""
        batch = batch._replace(target=self._in_units(batch.target), mask=batch.mask.cpu())
        return super().table(batch, self._in_units(output))

    def _in_units(self, standardised: Tensor) -> Tensor:
        return standardised.cpu() * to_tensor(self.deviation) + to_tensor(self.mean)


def _read(
    name: str | None, path: str | None, columns: list[str | int] | None, encoding: str | None
) -> Record:
    """Read the series that the settings name."""
    if path is not None:
        if name is not None:
            raise ConfigError(f"task.name must be null where task.path={path} gives the series")
        text = read_text(path, encoding=encoding)
        return read_columns(text, columns, "task.path", path)
    if columns is not None or encoding is not None:
        raise ConfigError("task.column and task.encoding must be null where task.path is null")
    if name in _PACKAGED:
        package, inside, _ = _PACKAGED[name]
        file = str(package_file(package, inside, f"task.name={name}"))
        return read_columns(read_text(file, key="task.name"), None, "task.name", file)
    names, make = _GENERATED[name or ""]
    values = make()
    return Record(names, tuple(str(row + 1) for row in range(len(values))), values)


def _row(record: Record, key: str, time: str | int) -> int:
    """Return the row of a time."""
    if str(time) not in record.times:
        raise ConfigError(
            f"task.{key} must be a time of the series, from {record.times[0]} to "
            f"{record.times[-1]}, got {time}"
        )
    return record.times.index(str(time))
