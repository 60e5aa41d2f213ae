"""Analyses of a run: build them from overrides, run them, write their results."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from rnnlab.analysis.base import Analysis, Findings
from rnnlab.analysis.progress import Progress
from rnnlab.analysis.save import check_drawing, write
from rnnlab.config.build import build, check_node
from rnnlab.config.compose import apply_overrides
from rnnlab.config.sources import config_directories
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint as checkpoints
from rnnlab.process.arithmetic import arithmetic
from rnnlab.process.output import note, say
from rnnlab.runs.run import Run


class Analysed(NamedTuple):
    """The results of an analysis, and the files that hold them."""

    findings: Findings
    files: list[Path]

    @property
    def shown(self) -> list[str]:
        """The lines to show: the summary, then the paths."""
        return [*self.findings.lines, *map(str, self.files)]


def analyze_run(
    run: Run,
    names: Sequence[str],
    words: list[str],
    overrides: list[str],
    checkpoint: str,
    *,
    everything: bool,
    seconds: float | None = None,
    formats: Sequence[str] = ("png",),
    show: Callable[[object], object] = say,
) -> dict[str, Analysed]:
    """Analyse a run, and show the summaries and the paths of the files written.

    Args:
        run: the run.
        names: names of the analyses.
        words: `analysis.KEY=VALUE` overrides of every analysis.
        overrides: `KEY=VALUE` overrides of the run's task.
        checkpoint: `best` or `last`.
        everything: whether all analyses were asked for; those that make no sense are then
            skipped with a note.
        seconds: budget of each analysis; `None` is none.
        formats: `png`, `svg` and `pdf`, some of them.
        show: called with each line as soon as it is known; by default it is printed.

    Returns:
        Name -> what was found, of the analyses that make sense.

    Raises:
        ConfigError: a setting is wrong, or an analysis makes no sense for this run.
    """
    check_drawing()
    analyses = {name: make(name, words) for name in names}
    experiment = run.open(overrides, checkpoint)
    step = int(checkpoints.read(run.file(f"checkpoints/{checkpoint}.ckpt"))["global_step"])
    done = {}
    for name, analysis in analyses.items():
        if len(analyses) > 1:
            show(f"\n{name}")
        try:
            with arithmetic(experiment.cfg):
                done[name] = _analyze(run, name, analysis, experiment, step, seconds, formats)
        except ConfigError as error:
            if not everything:
                raise
            note(f"not done: {error}")
        else:
            for line in done[name].shown:
                show(line)
    return done


def make(name: str, words: list[str]) -> Analysis:
    """Build an analysis from its yaml and `analysis.KEY=VALUE` overrides.

    Raises:
        ConfigError: a setting is wrong.
    """
    files = (directory / f"analysis/{name}.yaml" for directory in config_directories())
    cfg = OmegaConf.create({"analysis": OmegaConf.load(next(filter(Path.is_file, files)))})
    node = OmegaConf.to_container(apply_overrides(cfg, words).analysis)
    check_node("analysis", node, Analysis, "rnnlab.analysis")
    analysis = build("analysis", node)
    assert isinstance(analysis, Analysis)
    return analysis


def _analyze(
    run: Run,
    name: str,
    analysis: Analysis,
    experiment: Experiment,
    step: int,
    seconds: float | None,
    formats: Sequence[str],
) -> Analysed:
    reason = analysis.refusal(experiment.model, experiment.task)
    if reason is not None:
        raise ConfigError(f"analysis={name} makes no sense here: {reason}")
    with Progress(name, seconds) as progress:
        findings = _with_cut(analysis.analyze(experiment), progress)
        progress.doing = "figures"
        return Analysed(findings, write(run, name, findings, step, formats))


def _with_cut(found: Findings, progress: Progress) -> Findings:
    """Add to the lines and numbers what the budget left out."""
    if not progress.cut:
        return found
    cut = f"cut short by seconds={progress.seconds:g}, after {', '.join(progress.cut)}"
    return replace(found, lines=[*found.lines, cut], numbers={**found.numbers, "cut": cut})
