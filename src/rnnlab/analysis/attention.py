"""Attention weights: alignment maps, their entropy, and their agreement with the task."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows, draw_batch
from rnnlab.analysis.figures.style import SEQUENTIAL, new_figure
from rnnlab.analysis.probe.labelled_trace import names
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import free_answers
from rnnlab.models.base import Model
from rnnlab.models.feedback import feed
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.plots.palette import COLORS
from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch
from rnnlab.tasks.base import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 60  # answers, and source steps, drawn at most
_MANY = 32  # source steps from which a map needs the whole width
_FURTHEST = 3  # largest shift of a map that is reported
_CLEAR = 0.05  # gain in accuracy from which a shift is reported


class Alignment(NamedTuple):
    """Agreement of attention weights with the right source steps that the task knows.

    Attributes:
        answers: number of answers with right source steps.
        accuracy: share of these whose largest weight is on a right source step.
        mass: mean total weight on the right source steps.
        chance: accuracy of a random real source step.
        shifted: accuracy if the right steps are shifted by that many steps.
    """

    answers: int
    accuracy: float
    mass: float
    chance: float
    shifted: dict[int, float]


class AttentionMap(NamedTuple):
    """The attention weights of one sequence.

    Attributes:
        weights: `(A, S)`, for A answers and S source steps.
        answers: names of the answers, or `None` for numbers.
        source: names of the source steps, or `None`.
        right: `(A, S)` bool, the right source steps, or `None` if the task knows none.
    """

    weights: np.ndarray
    answers: list[str] | None
    source: list[str] | None
    right: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Attention(Analysis):
    """Alignment maps of attention, as Bahdanau, Cho and Bengio (2015), fig. 3.

    Attention weighs encoder outputs, which also depend on earlier (bidirectional: and later)
    symbols, so that the right weight may be beside the symbol itself. So accuracy is also
    reported for shifted maps.

    Args:
        answers: whether the decoder reads the `right` answers or its `own`.
        num_maps: number of maps drawn.
        num_sequences: number of test sequences.
        length: length of the sequences as the task counts it, or `null`.
    """

    answers: Literal["right", "own"]
    num_maps: PositiveInt
    num_sequences: PositiveInt
    length: PositiveInt | None

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject models without attention."""
        if not isinstance(model, Seq2Seq):
            return "a network without encoder has no attention"
        return "this model was built with attention=none" if model.attention is None else None

    @torch.no_grad()
    def analyze(self, experiment: Experiment) -> Findings:
        """Compute the attention weights of test sequences and their alignment."""
        model, task = experiment.model, experiment.task
        assert isinstance(model, Seq2Seq)
        batch = draw_batch(experiment, self.num_sequences, self.length)
        answered = batch.target
        if self.answers == "own":
            batch, answered = free_reading(model, batch)
        assert batch.source is not None
        assert batch.source_mask is not None
        weights = model.attend(batch)
        assert weights is not None
        spread = entropy(weights)[batch.mask]
        real = batch.source_mask.sum(1, keepdim=True).expand_as(batch.mask)[batch.mask]
        right = task.alignment(batch)
        found = None if right is None else align(weights, right, batch.mask, batch.source_mask)
        rows = range(min(self.num_maps, len(weights)))
        maps = [_map(task, batch, answered, weights, right, row) for row in rows]
        measured = {
            "answers": len(spread),
            "entropy_nats": float(spread.mean()),
            "entropy_uniform_nats": float(real.log().mean()),
            "attended_steps": float(spread.exp().mean()),
            "source_steps": float(real.float().mean()),
        }
        return Findings(
            lines=[
                f"weights are spread over {measured['attended_steps']:.1f} of "
                f"{measured['source_steps']:.1f} source steps: entropy "
                f"{measured['entropy_nats']:.2f} of at most "
                f"{measured['entropy_uniform_nats']:.2f} nats",
                *_lines(found),
            ],
            numbers=measured
            | {
                "alignment": None if found is None else found._asdict(),
                "maps": [drawn._asdict() for drawn in maps],
            },
            tables={"": _table(maps)},
            pictures={"": Picture(partial(_draw, maps))},
        )


def entropy(weights: Tensor) -> Tensor:
    """Return the entropy `(...)` of weights `(..., S)` in nats."""
    return torch.special.entr(weights).sum(-1)


def align(weights: Tensor, right: Tensor, mask: Tensor, source_mask: Tensor) -> Alignment:
    """Compare weights `(B, T, S)` with the right source steps `(B, T, S)`.

    Only answers (`mask` `(B, T)`) with right steps count.
    """
    counted = mask & right.any(dim=2)
    right, weights = right[counted], weights[counted]
    num_real = source_mask.sum(1, keepdim=True).expand_as(mask)[counted]
    looked = weights.argmax(dim=1, keepdim=True)

    def hit(shift: int) -> float:
        place = looked - shift
        inside = (place >= 0) & (place < right.shape[1])
        return float((right.gather(1, place.clamp(0, right.shape[1] - 1)) & inside).float().mean())

    return Alignment(
        answers=len(right),
        accuracy=hit(0),
        mass=float((weights * right).sum(1).mean()),
        chance=float((right.sum(1) / num_real).mean()),
        shifted={shift: hit(shift) for shift in range(-_FURTHEST, _FURTHEST + 1)},
    )


def free_reading(model: Seq2Seq, batch: Batch) -> tuple[Batch, Tensor]:
    """Return the batch with the free-running answers as decoder inputs, and these answers."""
    answers = free_answers(model, batch)
    if not model.spec.feedback:
        return batch, answers
    fed = feed(model.spec, batch.input[:, 1:], answers[:, :-1])
    answered = batch.mask[:, :-1]
    if fed.dim() > 2:
        answered = answered[..., None]
    read = torch.where(answered, fed, batch.input[:, 1:])
    return batch._replace(input=torch.cat([batch.input[:, :1], read], dim=1)), answers


def _map(
    task: Task, batch: Batch, answered: Tensor, weights: Tensor, right: Tensor | None, row: int
) -> AttentionMap:
    assert batch.source is not None
    assert batch.source_mask is not None
    asked, real = batch.mask[row], batch.source_mask[row]
    return AttentionMap(
        weights[row][asked][:, real].numpy(),
        names(task, answered[row][asked]),
        names(task, batch.source[row][real]),
        None if right is None else right[row][asked][:, real].numpy(),
    )


def _lines(found: Alignment | None) -> list[str]:
    if found is None:
        return ["where it should look this task can't say"]
    best = max(found.shifted, key=lambda shift: (found.shifted[shift], -abs(shift)))
    clear = found.shifted[best] > found.accuracy + _CLEAR
    beside = f"; {abs(best)} step{'s' * (abs(best) > 1)} {'later' if best > 0 else 'earlier'}: "
    return [
        f"largest weight on a right source step: {found.accuracy:.1%} of {found.answers} answers "
        f"(chance {found.chance:.1%})" + (f"{beside}{found.shifted[best]:.1%}" if clear else ""),
        f"weight on the right source steps: {found.mass:.1%} on average",
    ]


def _table(maps: Sequence[AttentionMap]) -> Rows:
    """Return a row for each weight."""
    return [
        ["sequence", "answer_step", "answer", "source_step", "source", "weight"],
        *(
            [
                row,
                step,
                _name(drawn.answers, step),
                place,
                _name(drawn.source, place),
                float(weight),
            ]
            for row, drawn in enumerate(maps)
            for (step, place), weight in np.ndenumerate(drawn.weights)
        ),
    ]


def _name(known: Sequence[str] | None, step: int) -> str:
    return str(step) if known is None else known[step]


def _draw(maps: Sequence[AttentionMap]) -> "Figure":
    """Draw the maps, answers down and source across; frames mark the right source steps."""
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    height, width = (min(_MOST, max(m.weights.shape[i] for m in maps)) for i in (0, 1))
    columns = 1 if width > _MANY or len(maps) == 1 else 2
    num_rows = -(-len(maps) // columns)
    figure = new_figure(
        13.3 if columns == 2 or width > _MANY else 8, num_rows * (1.4 + 0.26 * min(height, _MANY))
    )
    grid = figure.subplots(num_rows, columns, squeeze=False).ravel()
    for axes in grid[len(maps) :]:
        axes.remove()
    for axes, drawn in zip(grid, maps, strict=False):
        weights = drawn.weights[:_MOST, :_MOST]
        image = axes.imshow(weights, aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        if drawn.answers is None:
            axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        else:
            axes.set_yticks(range(len(weights)), drawn.answers[: len(weights)])
        if drawn.source is not None:
            source = drawn.source[: weights.shape[1]]
            axes.set_xticks(range(len(source)), source, rotation=90 * (max(map(len, source)) > 2))
        if drawn.right is not None:
            for step, place in np.argwhere(drawn.right[:_MOST, :_MOST]):
                frame = Rectangle((place - 0.5, step - 0.5), 1, 1, fill=False, clip_on=False)
                frame.set(edgecolor=COLORS[1], linewidth=1.5)
                axes.add_patch(frame)
    figure.supxlabel("source", fontsize=15)
    figure.supylabel("answer", fontsize=15)
    figure.colorbar(image, ax=figure.axes, label="weight", shrink=0.7, pad=0.02)
    return figure
