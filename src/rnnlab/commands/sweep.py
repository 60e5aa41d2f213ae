"""Sweeps from Python: many runs that differ in some settings, and what became of them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnlab.commands.arguments import user_path
from rnnlab.config.arguments import Settings, as_overrides
from rnnlab.config.hydra_line import Line
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import Failure
from rnnlab.metric import Mode, base_name, is_better
from rnnlab.process.untouched import process_untouched
from rnnlab.reports.groups import sort_key
from rnnlab.reports.table import Record, RunTable, read_table
from rnnlab.runs.frames import as_frame
from rnnlab.runs.html import table, text
from rnnlab.runs.run import Run
from rnnlab.runs.scores import number
from rnnlab.sweeps.jobs import overview, read_failures
from rnnlab.sweeps.progress import is_dry

_SHOWN = 40  # rows in a notebook


class Sweep:
    """The runs of a sweep, which `rnnlab.sweep` has trained or a directory holds.

    Args:
        path: its directory.

    Example:
        >>> sweep = rnnlab.Sweep("outputs/sweeps/memory")
        >>> sweep.best.plot()
        >>> rnnlab.report(sweep)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = user_path(path).absolute()

    @property
    def runs(self) -> list[Run]:
        """The runs that have finished, in the order of the table."""
        return [record.run for record in self._records if record.run and not record.failure]

    @property
    def table(self) -> Any:
        """A row for each job: its name, the swept settings, why it failed or `None`, all scores.

        A `pandas.DataFrame` where pandas is installed, else a list of mappings.
        """
        return as_frame(
            [
                {"job": record.name, **record.settings, "failure": record.failure, **record.scores}
                for record in self._records
            ]
        )

    @property
    def best(self) -> Run:
        """The run with the best validation score of what the runs monitored.

        Raises:
            ConfigError: no run has finished.
        """
        best: Run | None = None
        best_score: float | None = None
        for record in self._records:
            score = record.scores.get(self._runs.monitor)
            if record.run and score is not None and is_better(score, best_score, self._mode):
                best, best_score = record.run, score
        if best is None:
            raise ConfigError(f"{self.path} has no best run: none has {self._runs.monitor}")
        return best

    @property
    def failures(self) -> Mapping[str, Failure]:
        """Name of each job that failed -> its overrides, status and error."""
        return read_failures(self.path)

    @cached_property
    def _runs(self) -> RunTable:
        return read_table(self.path)

    @cached_property
    def _records(self) -> Sequence[Record]:
        keys = self._runs.keys
        return sorted(
            self._runs.records,
            key=lambda record: [sort_key(record.settings.get(key)) for key in keys],
        )

    @property
    def _mode(self) -> Mode:
        return "max" if self._runs.higher_is_better.get(base_name(self._runs.monitor)) else "min"

    def __repr__(self) -> str:
        return f"Sweep({str(self.path)!r})"

    def __str__(self) -> str:
        return "\n".join(overview(self.path))

    def _repr_html_(self) -> str:
        keys, monitor = list(self._runs.keys), self._runs.monitor
        metrics = [monitor, f"test/{base_name(monitor)}"]
        rows = [
            [
                *(record.settings.get(key, "") for key in keys),
                *(number(record.scores.get(metric)) for metric in metrics),
                record.failure or "",
            ]
            for record in self._records
        ]
        heading = [*keys, *metrics, "failure"]
        more = f"<p>and {len(rows) - _SHOWN} more</p>" if len(rows) > _SHOWN else ""
        title = f"<p><b>{text(overview(self.path)[0])}</b><br><code>{text(self.path)}</code></p>"
        return f"{title}\n{table([heading, *rows[:_SHOWN]])}{more}"


@process_untouched()
def sweep(*settings: Settings, config_dir: str | Path | None = None, **named: Any) -> Sweep:
    """Train a run for each combination of values, as `rnnlab-train -m` does.

    Jobs that are done are not trained again, and those that were interrupted go on.

    Args:
        *settings: as for `train`; on a command line `seed=0,1` names two values, in a mapping or
            keyword argument a list, a tuple or a range does. A value that is a list is put into
            one: `{"optimizer.betas": [[0.9, 0.99]]}`.
        config_dir: as for `train`.
        **named: as for `train`. `sweep_name` names the sweep's directory in `output_dir/sweeps`,
            `sweep` chooses a named one, and `{"hydra/launcher": "vectorized"}` trains the runs as
            one model.

    Returns:
        The sweep: its runs, their table, the best of them, and failures.

    Raises:
        ConfigError: a setting is wrong; nothing was written. Or every job failed.
        Interrupted: it was stopped, as by Ctrl-C; the same call goes on.

    Example:
        >>> rnnlab.sweep("task=copy trainer.max_steps=500", model=["gru", "lstm"], seed=range(3))
    """
    from rnnlab.commands.hydra_app import run_hydra

    words = as_overrides(settings, named, several=True)
    options = [] if config_dir is None else ["--config-dir", str(user_path(config_dir))]
    line = Line.read(["-m", *options, *words])
    path = run_hydra(line, _train_alone)
    assert path is not None
    made = Sweep(path)
    failures = made.failures
    if failures and not is_dry(words) and not any(path.glob("*/config.yaml")):
        errors = dict.fromkeys(failure["error"] for failure in failures.values())
        raise ConfigError("\n".join(errors))
    return made


def _train_alone(*_: Any) -> None:
    raise AssertionError("a sweep has no run but those of its jobs")
