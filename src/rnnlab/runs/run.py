"""Runs, as one goes on with them: scores, curve, figures, the trained model."""

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import LARGEST_TABLE, Results, read_text
from rnnlab.runs.directory import RunDirectory
from rnnlab.runs.figures import Figures
from rnnlab.runs.frames import as_frame
from rnnlab.runs.metrics_csv import read_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnlab.experiment.experiment import Experiment
    from rnnlab.models.base import Model
    from rnnlab.tasks.base import Task


@dataclasses.dataclass(frozen=True, repr=False)
class Run(RunDirectory):
    """A run: what was trained, how, and what came of it.

    `rnnlab.train`, `resume` and `load` return one. A notebook shows it as a table of scores above
    its learning curve.

    Args:
        path: the run directory, which alone is enough to use the model again.

    Example:
        >>> run = rnnlab.train("model=lstm task=copy trainer.max_steps=500")
        >>> run.results["test"]["accuracy"]
        >>> run.plot("accuracy").savefig("accuracy.pdf")
    """

    @property
    def results(self) -> Results:
        """The final metrics, the task's floors, and the sizes of model and training.

        `results["test"]` maps each metric to its value on test data, `results["floor"]` to the
        score without learning or memory.

        Raises:
            ConfigError: training has not ended, or the file is damaged.
        """
        return self.read("results.json", Results)

    @property
    def curve(self) -> Any:
        """The learning curve: a column `step`, and one for each metric, such as `val/loss`.

        A `pandas.DataFrame` where pandas is installed, in which a metric that was not logged at a
        step is NaN; else a list with a mapping for each row, without such metrics.

        Raises:
            ConfigError: nothing was logged yet, or the file is damaged.
        """
        return as_frame([{**row, "step": int(row["step"])} for row in self.rows])

    @property
    def rows(self) -> list[dict[str, float]]:
        """The learning curve as the rows of `metrics.csv`, whatever is installed."""
        return read_curve(self.file("metrics.csv"))

    def plot(self, *metrics: str) -> "Figure":
        """Draw learning curves: training and validation against updates, in a panel a metric.

        A dashed line is the floor, a dot the best checkpoint.

        Args:
            *metrics: metrics without split, such as `"accuracy"`; by default the loss, and what
                the run monitored or the task's next metric.

        Returns:
            A figure of matplotlib, which a notebook shows: `figure.savefig("curve.pdf")`.

        Raises:
            ConfigError: a metric was not logged, or matplotlib is not installed.

        Example:
            >>> run.plot("loss", "accuracy")
        """
        from rnnlab.runs.learning_curve import draw

        return draw(self, metrics)

    @property
    def figures(self) -> Figures:
        """The pictures in `figures/`: name -> path of a PNG file; a notebook shows them.

        Raises:
            ConfigError: one is a link out of the directory.
        """
        paths = sorted(self.file("figures").glob("*.png"))
        return Figures({path.stem: self.file(f"figures/{path.name}") for path in paths})

    @property
    def samples(self) -> str:
        """The text of `samples.md`: what the trained model answers to test data.

        Raises:
            ConfigError: training has not ended, or the file is damaged.
        """
        return read_text(self.file("samples.md"), largest=LARGEST_TABLE)

    @cached_property
    def experiment(self) -> "Experiment":
        """Task, model and data; the model has its best weights."""
        return self.open([])

    @property
    def task(self) -> "Task":
        """The task, with its data: `task.sample("test", 0, 8)` is a batch of eight sequences."""
        return self.experiment.task

    @property
    def model(self) -> "Model":
        """The model with its best weights, ready to evaluate: a `torch.nn.Module`."""
        return self.experiment.model

    def open(self, overrides: list[str], checkpoint: str = "best") -> "Experiment":
        """Build task, model and data from the run directory, and load the weights.

        Args:
            overrides: as for `assemble`.
            checkpoint: `best` or `last`.

        Raises:
            ConfigError: as for `assemble`, or the weights don't fit the model.
        """
        experiment = self.assemble(overrides)
        experiment.load_weights(self.file(f"checkpoints/{checkpoint}.ckpt"))
        return experiment

    def assemble(self, overrides: list[str]) -> "Experiment":
        """Build task, model and data from the run directory, with some settings changed.

        The model has the weights that it begins training with.

        A data file that is missing or has changed is not read: then the model can generate, but
        not be evaluated. A data file that an override names is read with the run's vocabulary.

        Args:
            overrides: `key=value` for keys of the config, such as another length of the task.

        Raises:
            ConfigError: an override is invalid, or a file of the run is damaged or missing.
        """
        from rnnlab.config.compose import apply_overrides
        from rnnlab.experiment.experiment import Experiment
        from rnnlab.runs.named_files import changed_files, with_file_hashes
        from rnnlab.tasks.file_task import StoredSymbols

        cfg = with_file_hashes(apply_overrides(self.config, overrides))
        named = {override.partition("=")[0] for override in overrides}
        lost = [why for key, why in changed_files(self.config, cfg).items() if key not in named]
        if lost:
            lost.append(
                "a file that is named is read all the same, in the symbols that were learnt"
            )
        stored = StoredSymbols(self.symbols, "\n".join(lost) or None) if self.symbols else None
        if lost and not stored:
            raise ConfigError("\n".join(lost))
        experiment = Experiment.assemble(cfg, stored)
        self.check_fingerprint(experiment.task)
        return experiment

    def check_fingerprint(self, task: "Task") -> None:
        """Refuse a task with other symbols or sizes than the run was trained with.

        Raises:
            ConfigError: they differ.
        """
        known = self.card.get("fingerprint") if self.file("run.json").exists() else None
        if known not in (None, task.fingerprint()):
            raise ConfigError(
                "task: its symbols or sizes are not those that the model learnt; settings differ, "
                "or a file of the task was changed after training"
            )

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        from rnnlab.runs.html import run_html

        return run_html(self)
