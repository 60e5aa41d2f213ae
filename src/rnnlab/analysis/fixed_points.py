"""Fixed and slow points of a model, and their stability."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows, draw_batch
from rnnlab.analysis.figures.fixed_points import (
    LOOKS,
    FixedPoint,
    PhasePortrait,
    draw,
    draw_eigenvalues,
)
from rnnlab.analysis.numerics.settling import iterate
from rnnlab.analysis.numerics.slow_points import (
    SlowPoints,
    classify,
    distinct,
    eigenvalues,
    find,
    is_fixed,
    turning_steps,
)
from rnnlab.analysis.probe.autonomous import (
    AutonomousMap,
    InputChoice,
    autonomous_maps,
    lacks_map,
)
from rnnlab.analysis.probe.system import batch_in_double, in_double
from rnnlab.analysis.progress import within_budget
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.ranges import Count, NonNegative, Positive, PositiveInt, Seed, Share
from rnnlab.tasks.base import Task

_FOLLOWED = 300  # steps of each trajectory
_MIRRORED = 5  # every so many starts; odd, for first and last states
_LISTED, _SLOW_APART = 6, 1e-2


@dataclass(frozen=True, kw_only=True)
class FixedPoints(Analysis):
    """Fixed points of the state, after Sussillo and Barak (2013), Opening the black box.

    A network with a constant input, or fed with its own answers, is a map s' = F(s). From visited
    states, states where the map leads from them, and noise around both, the search minimises the
    speed |F(s) - s|: to 0 at a fixed point, else at a slow point. Fixed points are looked for from
    a few mirror images -s as well: without biases they come in pairs, of which sequences may visit
    one; what is found from these alone has 0 hits. A fixed point is stable if all
    eigenvalues of the Jacobian are within the unit circle, unstable if all are outside, a saddle
    if some are, and neutral if some are on it.

    Args:
        input: `own` answers, if real-valued ones are fed back; or a constant: `zero`, `mean`, a
            symbol or a list of numbers; or `each` of up to 9 symbols in turn. `auto` is `own` if
            possible, else the most frequent input, or the mean if none is read twice.
        system: a part of an encoder-decoder model; `null` is the encoder, and all of it for `own`.
        num_sequences: number of test sequences that states are taken from.
        num_starts: number of initial states.
        noise: largest noise of a start, in standard deviations of the states.
        descent_steps: number of Adam steps on the speed.
        descent_rate: learning rate of Adam.
        reach: largest distance of a reported point from the mean of the visited states, as a
            multiple of the largest distance on trajectories.
        slow_speed: largest speed of a slow point, in median speeds of the visited states.
        seed: seed of starts and noise.
    """

    input: InputChoice
    system: str | None
    num_sequences: PositiveInt
    num_starts: PositiveInt
    noise: NonNegative
    descent_steps: Count
    descent_rate: Positive
    reach: Positive
    slow_speed: Share
    seed: Seed

    def refusal(self, model: Model, task: Task) -> str | None:
        """Reject Transformers, and delay taps unless real-valued answers are fed back."""
        if lacks_map(model, task):
            return "its state is its last inputs, and stands still when they do"
        return None

    def analyze(self, experiment: Experiment) -> Findings:
        """Find the fixed and slow points of each map."""
        model = in_double(experiment.model)
        batch = batch_in_double(draw_batch(experiment, self.num_sequences, None))
        maps = autonomous_maps(model, experiment.task, batch, self.input, self.system)
        generator = torch.Generator().manual_seed(self.seed)
        found = [self._search(each, generator) for each in within_budget(maps, "inputs")]
        pictures = {"": Picture(lambda: draw(found))}
        if len(found) > 1:
            pictures["eigenvalues"] = Picture(lambda: draw_eigenvalues(found))
        return Findings(
            lines=[line for each in found for line in _lines(each)],
            numbers={"maps": [_numbers(each) for each in found]},
            tables={"": _table(found)},
            pictures=pictures,
        )

    def _search(self, map: AutonomousMap, generator: torch.Generator) -> PhasePortrait:
        visited = torch.cat(map.visited)
        order = torch.randperm(len(visited), generator=generator)
        chosen = order.repeat(-(-self.num_starts // len(order)))[: self.num_starts]
        tracks = iterate(map.step, visited[chosen], _FOLLOWED).transpose(0, 1)
        starts = self._starts(visited, tracks, generator)
        search = partial(
            find, map.step, descent_steps=self.descent_steps, descent_rate=self.descent_rate
        )
        found = search(starts)
        mirrored = search(-starts[::_MIRRORED])
        mirrored = _pick(mirrored._replace(hits=0 * mirrored.hits), is_fixed(mirrored))
        both = zip(found, mirrored, strict=True)
        found = distinct(SlowPoints._make(torch.cat(parts) for parts in both))
        reaches = _reaches(found.states, visited, tracks)
        within = reaches <= self.reach
        beyond = int(found.hits[~within].sum())
        missed = reaches[~within & is_fixed(found)].sort().values
        found = _pick(found, within)
        with torch.no_grad():
            speeds = (map.step(visited) - visited).norm(dim=1)
        fixed = is_fixed(found)
        slow = ~fixed & (found.speeds < self.slow_speed * speeds[speeds.isfinite()].median())
        points = _points(map, _pick(found, fixed), slow=False)
        points += _points(map, distinct(_pick(found, slow), _SLOW_APART), slow=True)
        return PhasePortrait(map, points, beyond, missed.tolist(), tracks)

    def _starts(self, visited: Tensor, tracks: Tensor, generator: torch.Generator) -> Tensor:
        """Return the first and the last states of trajectories in turn, with noise."""
        starts = torch.where(
            torch.arange(len(tracks))[:, None] % 2 == 0, tracks[:, 0], tracks[:, -1]
        )
        spread = (visited - visited.mean(0)).square().mean().sqrt()
        sizes = torch.rand(len(starts), 1, generator=generator, dtype=starts.dtype)
        noise = torch.randn(starts.shape, generator=generator, dtype=starts.dtype)
        return starts + self.noise * spread * sizes * noise


def _reaches(states: Tensor, visited: Tensor, tracks: Tensor) -> Tensor:
    """Return the distances from the middle over the largest of the trajectories, `(P,)`."""
    middle = visited.mean(0)
    reached = torch.cat([visited, tracks.flatten(0, 1)])
    far = (reached[reached.isfinite().all(1)] - middle).norm(dim=1).max()
    return (states - middle).norm(dim=1) / far


def _pick(points: SlowPoints, chosen: Tensor) -> SlowPoints:
    return SlowPoints(*(part[chosen] for part in points))


def _points(map: AutonomousMap, found: SlowPoints, *, slow: bool) -> list[FixedPoint]:
    if not len(found.states):
        return []
    multipliers = eigenvalues(map.step, found.states)
    rows = zip(*found, multipliers, strict=True)
    points = [
        FixedPoint("slow" if slow else classify(m), state, float(speed), int(hits), m)
        for state, speed, hits, m in rows
    ]
    return sorted(points, key=_order)


def _order(point: FixedPoint) -> tuple[int, int, float]:
    """Order points by kind, then by hits; of equal ones the fastest to return comes first."""
    return list(LOOKS).index(point.kind), -point.hits, float(point.multipliers[0].abs())


def _lines(each: PhasePortrait) -> list[str]:
    """Summarise the points: the count of each kind, and the largest ones."""
    counts = {kind: sum(p.kind == kind for p in each.points) for kind in LOOKS}
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "none"
    starts = len(each.tracks)
    lost = starts - each.beyond - sum(point.hits for point in each.points)
    more = f"; {each.beyond} of {starts} starts went out of reach" if each.beyond else ""
    if each.reaches:
        count = len(each.reaches)
        more += f"; {count} fixed point{'s' if count > 1 else ''} out of reach, the nearest "
        more += f"within analysis.reach={math.ceil(10 * each.reaches[0]) / 10:g}"
    more += f"; {lost} of {starts} starts came to none" if lost else ""
    lines = [f"points reading {each.map.reads}: {kinds}{more}"]
    lines += [f"  {_describe(point)}" for point in each.points[:_LISTED]]
    rest = len(each.points) - _LISTED
    return lines + ([f"  and {rest} more"] if rest > 0 else [])


def _describe(point: FixedPoint) -> str:
    first = complex(point.multipliers[0])
    out = int((point.multipliers.abs() > 1).sum())
    turns = turning_steps(first)
    parts = [f"{point.kind:<8} largest |eigenvalue| {abs(first):.3f}"]
    if turns is not None and abs(first.imag) > 0:
        parts.append(f"turns once in {turns:.3g} steps")
    if point.kind == "saddle":
        parts.append(f"{out} direction{'s' if out > 1 else ''} out")
    if point.kind == "slow":
        parts.append(f"moves {point.speed:.2g} a step")
    return ", ".join([*parts, f"{point.hits} starts" if point.hits else "from a mirror image"])


def _numbers(each: PhasePortrait) -> dict[str, Any]:
    return {
        "reads": each.map.reads,
        "num_starts": len(each.tracks),
        "starts_gone_out_of_reach": each.beyond,
        "reach_of_points_out_of_reach": each.reaches,
        "points": [
            {
                "kind": point.kind,
                "speed": point.speed,
                "hits": point.hits,
                "state": point.state,
                "eigenvalues": point.multipliers,
            }
            for point in each.points
        ],
    }


def _table(found: list[PhasePortrait]) -> Rows:
    heading = ["reads", "kind", "speed", "hits", "largest_modulus", "directions_out", "turns_in"]
    rows = [
        [
            each.map.reads,
            point.kind,
            point.speed,
            point.hits,
            float(point.multipliers[0].abs()),
            int((point.multipliers.abs() > 1).sum()),
            turning_steps(complex(point.multipliers[0])),
        ]
        for each in found
        for point in each.points
    ]
    return [heading, *rows]
