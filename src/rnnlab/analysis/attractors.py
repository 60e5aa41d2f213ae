"""Attractors of a model and their basins, from many initial states."""

from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, Literal

import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows, draw_batch
from rnnlab.analysis.figures.basins import BasinPortrait, draw_basins_figure
from rnnlab.analysis.numerics.settling import attractors, iterate, nearest_return, settle
from rnnlab.analysis.probe.autonomous import (
    AutonomousMap,
    InputChoice,
    autonomous_maps,
    lacks_map,
)
from rnnlab.analysis.probe.system import batch_in_double, in_double, systems
from rnnlab.analysis.progress import within_budget
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.ranges import Positive, PositiveInt, Seed
from rnnlab.spec import Batch
from rnnlab.tasks.attractor_memory import AttractorMemory
from rnnlab.tasks.base import Task

# Nearer cycles are one attractor: in tolerances, and at most in standard deviations.
_APART, _MOST_APART = 1e4, 0.1
_TRACKS, _TRACK_STEPS = 80, 60  # trajectories drawn, and their steps


@dataclass(frozen=True, kw_only=True)
class Attractors(Analysis):
    """Attractors and their basins, after Hopfield (1982).

    A network with a constant input, or fed with its own answers, runs from many states until
    each trajectory is periodic: with period 1 it is at a fixed point, else on a cycle. The size
    of a basin is the share of the starts that converge to its attractor. If the task has
    patterns, the attractors that recall them are marked, and the recall of the last states is
    scored.

    Args:
        input: `own` answers, if real-valued ones are fed back; or a constant: `commonest` (the
            mean if none is read twice), `zero`, `mean`, a symbol or a list of numbers; or `each`
            of up to 9 symbols in turn. `auto` is `own` if possible, else `commonest`.
        system: a part of an encoder-decoder model; `null` is the decoder.
        starts: `task` takes the states after the first step of test sequences, as clamped by the
            task; `random` draws every unit uniformly up to its largest absolute value on test
            sequences. `auto` is `task` if the task clamps.
        random_units: number of leading units drawn at random; the others start as in `task`.
            `null` is all.
        num_starts: number of initial states.
        max_steps: largest number of steps until a trajectory must be periodic.
        max_period: longest period in steps that is found.
        tolerance: largest difference after one period, in standard deviations of the visited
            states.
        seed: seed of the random starts.
    """

    input: InputChoice
    system: str | None
    starts: Literal["auto", "task", "random"]
    random_units: PositiveInt | None
    num_starts: PositiveInt
    max_steps: PositiveInt
    max_period: PositiveInt
    tolerance: Positive
    seed: Seed

    def refusal(self, model: Model, task: Task) -> str | None:
        """Reject Transformers, and delay taps unless real-valued answers are fed back."""
        if lacks_map(model, task):
            return "its state is its last inputs, and stands still when they do"
        return None

    def analyze(self, experiment: Experiment) -> Findings:
        """Find the attractors of each map."""
        task = experiment.task
        model = in_double(experiment.model)
        batch = batch_in_double(draw_batch(experiment, self.num_starts, None))
        name = self.system or ("decoder" if isinstance(model, Seq2Seq) else None)
        from_task = self.starts == "task" or (self.starts == "auto" and _clamps(task))
        if from_task and self.random_units is not None:
            raise ConfigError("analysis.random_units must be null with analysis.starts=task")
        maps = autonomous_maps(model, task, batch, self.input, name)
        generator = torch.Generator().manual_seed(self.seed)
        found = [self._settle(each, from_task, generator) for each in within_budget(maps, "inputs")]
        if isinstance(task, AttractorMemory):
            found = [
                _recall(each, model, name, task, batch if from_task else None) for each in found
            ]
        return Findings(
            lines=[line for each in found for line in _lines(each)],
            numbers={"maps": [_numbers(each) for each in found]},
            tables={"": _table(found)},
            pictures={
                "" if len(found) == 1 else str(number): Picture(partial(draw_basins_figure, each))
                for number, each in enumerate(found, start=1)
            },
        )

    def _settle(
        self, map: AutonomousMap, from_task: bool, generator: torch.Generator
    ) -> BasinPortrait:
        visited = torch.cat(map.visited)
        spread = float((visited - visited.mean(0)).square().mean().sqrt()) or 1.0
        starts = torch.stack([track[0] for track in map.visited])
        if not from_task:
            starts = self._draw(visited, starts, generator)
        ends = settle(
            map.step,
            starts,
            max_steps=self.max_steps,
            max_period=self.max_period,
            tolerance=self.tolerance * spread,
        )
        apart = min(_APART * self.tolerance, _MOST_APART) * spread
        found = attractors(map.step, ends, apart=apart)
        unsettled = ends.states[ends.periods == 0]
        back = None
        if len(unsettled):
            back = nearest_return(map.step, unsettled[:_TRACKS], self.max_period)
            back = back._replace(distance=back.distance / spread)
        tracks = iterate(map.step, starts[:_TRACKS], _TRACK_STEPS).transpose(0, 1)
        return BasinPortrait(map, found, ends.states, back, tracks, None, {})

    def _draw(self, visited: Tensor, starts: Tensor, generator: torch.Generator) -> Tensor:
        """Draw states from the symmetric box that bounds the visited ones."""
        most, size = visited.abs().amax(dim=0), (self.num_starts, visited.shape[1])
        drawn = most * (2 * torch.rand(size, generator=generator, dtype=most.dtype) - 1)
        if self.random_units is None:
            return drawn
        if self.random_units > size[1]:
            raise ConfigError(
                f"analysis.random_units must be null or at most {size[1]}, the units of the "
                f"state, got {self.random_units}"
            )
        others = starts[torch.arange(self.num_starts) % len(starts)]
        return torch.cat([drawn[:, : self.random_units], others[:, self.random_units :]], dim=1)


def _clamps(task: Task) -> bool:
    """Whether the task clamps the initial state of each sequence."""
    return task.spec.initial is not None or isinstance(task, AttractorMemory)


@torch.no_grad()
def _recall(
    each: BasinPortrait, model: Model, name: str | None, task: AttractorMemory, clues: Batch | None
) -> BasinPortrait:
    """Add the patterns of the attractors, and the recall of the last states."""
    system = systems(model)[name or "network"]

    def signs(states: Tensor) -> Tensor:
        """Return the signs of the taught bits at states, with zero input."""
        silence = states.new_zeros(len(states), system.input_size)
        answers = system.step_and_readout(silence, states)[1]
        answers = model.readout(answers) if isinstance(model, Seq2Seq) else answers
        return answers[:, : task.taught_bits] > 0

    if isinstance(model, Seq2Seq) and (model.attention is not None or name != "decoder"):
        return each
    patterns = torch.from_numpy(task.patterns[:, : task.taught_bits] > 0)
    stored: list[int | None] = []
    for attractor in each.found:
        same = (signs(attractor.cycle)[:, None] == patterns).all(dim=2).all(dim=0)
        stored.append(int(same.int().argmax()) if same.any() else None)
    recall = {}
    if clues is not None:
        right = signs(each.ends) == (clues.target[:, -1, : task.taught_bits] > 0)
        recall = {
            "accuracy": float(right.double().mean()),
            "exact_match": float(right.all(dim=1).double().mean()),
        }
    return each._replace(stored=stored, recall=recall)


def _lines(each: BasinPortrait) -> list[str]:
    total, periods = len(each.ends), [attractor.period for attractor in each.found]
    fixed, cycles = periods.count(1), sorted({period for period in periods if period > 1})
    found = [f"{fixed} fixed point{'' if fixed == 1 else 's'}"]
    if cycles:
        count = len(periods) - fixed
        found.append(
            f"{count} cycle{'' if count == 1 else 's'} of "
            + ", ".join(map(str, cycles[:6]))
            + (", ..." if len(cycles) > 6 else "")
            + " steps"
        )
    lines = [f"reading {each.map.reads}: {' and '.join(found)}, from {total} starts"]
    if each.back is not None:
        steps, distance = each.back
        how = "they fly away"
        if isfinite(distance):
            how = "they are nearest to where they were after "
            how += f"{steps} step{'' if steps == 1 else 's'}, {distance:.2g} spreads away"
        lines.append(f"{each.unsettled / total:.1%} of the starts came to none; {how}")
    if each.stored is not None:
        spurious = [
            a for a, pattern in zip(each.found, each.stored, strict=True) if pattern is None
        ]
        share = sum(len(attractor.basin) for attractor in spurious) / total
        lines.append(
            f"{len(set(each.stored) - {None})} patterns are stored; {len(spurious)} attractors "
            f"are no pattern, with {share:.1%} of the starts"
        )
    if each.recall:
        lines.append(
            f"from the clues, at the very end: {each.recall['exact_match']:.1%} of patterns whole, "
            f"{each.recall['accuracy']:.1%} of bits right"
        )
    return lines


def _numbers(each: BasinPortrait) -> dict[str, Any]:
    stored = each.stored or [None] * len(each.found)
    return {
        "reads": each.map.reads,
        "num_starts": len(each.ends),
        "not_settled": each.unsettled / len(each.ends),
        "nearest_return": None if each.back is None else each.back._asdict(),
        "recall": each.recall,
        "attractors": [
            {
                "period": attractor.period,
                "basin": len(attractor.basin) / len(each.ends),
                "pattern": pattern,
                "cycle": attractor.cycle,
            }
            for attractor, pattern in zip(each.found, stored, strict=True)
        ],
    }


def _table(found: list[BasinPortrait]) -> Rows:
    rows = [
        [each.map.reads, number, attractor.period, len(attractor.basin) / len(each.ends), pattern]
        for each in found
        for number, (attractor, pattern) in enumerate(
            zip(each.found, each.stored or [None] * len(each.found), strict=True), start=1
        )
    ]
    return [["reads", "attractor", "period", "basin", "pattern"], *rows]
