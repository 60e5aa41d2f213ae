"""Forecasts that learn nothing, or by least squares: what a model of a time series must beat."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


def last_value(values: Numbers, starts: Indices, steps: int) -> Numbers:
    """Forecast `steps` values from each start as the one before it, `(W, steps, D)`."""
    return np.repeat(values[starts - 1][:, None], steps, axis=1)


def seasonal(values: Numbers, starts: Indices, steps: int, period_steps: int) -> Numbers:
    """Forecast the last period before each start, over and over, `(W, steps, D)`.

    Starts lie at least a period after the beginning.
    """
    return values[starts[:, None] - period_steps + np.arange(steps) % period_steps]


def least_squares(values: Numbers, begin: int, end: int, lags: int) -> Numbers:
    """Fit a linear autoregression to the rows from `begin` to `end`, by least squares.

        x_t = c + A_1 x_{t-1} + ... + A_K x_{t-K}

    Yule (1927) for two lags.

    Args:
        values: `(N, D)`.
        begin: the first row that is predicted, K or more.
        end: the row after the last.
        lags: K.

    Returns:
        `(K D + 1, D)`, the newest lag first, the constant last.
    """
    windows = _windows(values, np.arange(begin, end), lags)
    weights, *_ = np.linalg.lstsq(windows, values[begin:end], rcond=None)
    return weights.astype(np.float64)


def autoregressive(values: Numbers, starts: Indices, steps: int, weights: Numbers) -> Numbers:
    """Forecast by a linear autoregression that is fed its own forecasts, `(W, steps, D)`.

    Args:
        values: `(N, D)`.
        starts: `(W,)`, the first row of each forecast.
        steps: rows of a forecast.
        weights: as `least_squares` returns them.
    """
    size = values.shape[1]
    lags = (len(weights) - 1) // size
    windows = _windows(values, starts, lags)
    found = []
    for _ in range(steps):
        found.append(windows @ weights)
        windows = np.hstack([found[-1], windows[:, : size * (lags - 1)], windows[:, -1:]])
    return np.stack(found, axis=1)


def _windows(values: Numbers, rows: Indices, lags: int) -> Numbers:
    """Return the values before each row, newest first, and 1: `(W, K D + 1)`."""
    before = values[rows[:, None] - 1 - np.arange(lags)].reshape(len(rows), -1)
    return np.hstack([before, np.ones((len(rows), 1))])
