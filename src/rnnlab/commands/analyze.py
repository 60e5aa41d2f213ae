"""Analyses of a trained model: what they found, and their figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rnnlab.commands.arguments import split_words
from rnnlab.commands.train import open_run
from rnnlab.config.arguments import Settings, as_overrides
from rnnlab.config.catalogue import describe
from rnnlab.config.packages import allow_packages_of
from rnnlab.config.suggestions import did_you_mean
from rnnlab.errors import ConfigError
from rnnlab.process.untouched import process_untouched
from rnnlab.ranges import Positive
from rnnlab.runs.figures import Figures
from rnnlab.runs.html import text
from rnnlab.runs.run import Run

Format = Literal["png", "svg", "pdf"]
FIELDS: Mapping[str, Any] = {
    "analysis": str | list[str],
    "checkpoint": Literal["best", "last"],
    "seconds": Positive | None,
    "format": str | list[str],
}
"""Keys of the command with their annotations."""


@dataclass(frozen=True)
class AnalysisResults:
    """What analyses of a run have found.

    Attributes:
        numbers: name of an analysis -> all its numbers by name.
        summaries: name of an analysis -> its summary.
        files: files that were written: figures, and the numbers that they show.
    """

    numbers: Mapping[str, Mapping[str, Any]]
    summaries: Mapping[str, str]
    files: Sequence[Path]

    @property
    def figures(self) -> Figures:
        """The figures: name -> path of a PNG file; a notebook shows them."""
        return Figures({path.stem: path for path in self.files if path.suffix == ".png"})

    def __str__(self) -> str:
        if len(self.summaries) == 1:
            return "\n".join(self.summaries.values())
        return "\n\n".join(f"{name}\n{summary}" for name, summary in self.summaries.items())

    def _repr_html_(self) -> str:
        return f"<pre>{text(self)}</pre>\n{self.figures._repr_html_()}"


@process_untouched()
def analyze(
    run: Run | str | Path,
    analysis: str | Sequence[str],
    *settings: Settings,
    checkpoint: Literal["best", "last"] = "best",
    seconds: float | None = 60,
    format: str | Sequence[str] = "png",
    show: Callable[[object], object] | None = None,
    **named: Any,
) -> AnalysisResults:
    """Look inside a trained model, as `rnnlab-analyze` does.

    Figures and numbers go to `figures/` in the run directory, and to its TensorBoard.

    Args:
        run: the run, or its directory.
        analysis: the name of an analysis, several, or `all` that make sense for the model.
        *settings: settings of the analysis (`{"analysis.num_sequences": 8}`) or of the run's task
            (`"task.delay=20"`), in any form that `train` takes.
        checkpoint: `best` or `last`.
        seconds: most that each analysis may take before it ends its search, and says what it left
            out; `None` is no limit.
        format: `png`, `svg` or `pdf`, or several.
        show: called with each line as soon as it is known, such as `print`.
        **named: as for `train`.

    Returns:
        Numbers, figures and summaries.

    Raises:
        ConfigError: a setting is wrong, or an analysis makes no sense for this model or task.

    Example:
        >>> found = rnnlab.analyze(run, "lyapunov")
        >>> found.numbers["lyapunov"]
        >>> rnnlab.analyze(run, "all").figures
    """
    words = as_overrides(settings, named)
    allow_packages_of(words)  # they may have analyses, too
    given = {
        "analysis": analysis if isinstance(analysis, str) else list(analysis),
        "checkpoint": checkpoint,
        "seconds": seconds,
        "format": format if isinstance(format, str) else list(format),
    }
    own, rest = split_words(words, FIELDS, given)
    names, everything = _names(own["analysis"])
    formats = _split(own["format"])
    known = get_args(Format)
    for name in formats:
        if name not in known:
            raise ConfigError(f"format must be one or several of {', '.join(known)}, got {name!r}")
    of_analysis = [word for word in rest if word.startswith("analysis.")]
    if of_analysis and len(names) > 1:
        raise ConfigError(f"{of_analysis[0]!r} must be about one analysis, got {', '.join(names)}")
    run = open_run(run)

    from rnnlab.analysis.run import analyze_run  # imports torch, which a mistake needn't wait for

    done = analyze_run(
        run,
        names,
        of_analysis,
        [word for word in rest if word not in of_analysis],
        own["checkpoint"],
        everything=everything,
        seconds=own["seconds"],
        formats=formats,
        show=show or (lambda _: None),
    )
    return AnalysisResults(
        numbers={name: found.findings.numbers for name, found in done.items()},
        summaries={name: "\n".join(found.findings.lines) for name, found in done.items()},
        files=[path for found in done.values() for path in found.files],
    )


def _names(analysis: str | Sequence[str]) -> tuple[list[str], bool]:
    """Return the names of analyses, and whether they are all that there are.

    Raises:
        ConfigError: there is no analysis of a name.
    """
    known = list(describe("analysis"))
    if analysis == "all":
        return known, True
    names = _split(analysis)
    for name in names:
        if name not in known:
            takes = f"; it is one of {', '.join(known)} or all"
            raise ConfigError(f"analysis={name} doesn't exist{did_you_mean(name, known)}{takes}")
    return names, False


def _split(names: str | Sequence[str]) -> list[str]:
    return names.split(",") if isinstance(names, str) else list(names)
