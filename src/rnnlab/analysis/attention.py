"""Attention weights: alignment maps, their entropy, and their agreement with the task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows, draw_batch
from rnnlab.analysis.figures.over_picture import Overlay, draw_over_pictures
from rnnlab.analysis.figures.style import new_figure, shades
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


class Head(NamedTuple):
    """What one head of one layer attends to.

    Attributes:
        layer: its number, from 1.
        head: its number, from 1.
        entropy_nats: mean entropy of the weights of an answer.
        attended_steps: mean exponential of that entropy.
        alignment: agreement with the right source steps, `None` if the task knows none.
    """

    layer: int
    head: int
    entropy_nats: float
    attended_steps: float
    alignment: Alignment | None


class AttentionMap(NamedTuple):
    """The attention weights of one sequence, by one head.

    Attributes:
        sequence: index of the sequence.
        layer: number of the layer, from 1.
        head: number of the head, from 1.
        weights: `(A, S)`, for A answers and S source steps.
        answers: names of the answers, or `None` for numbers.
        source: names of the source steps, or `None`.
        right: `(A, S)` bool, the right source steps, or `None` if the task knows none.
    """

    sequence: int
    layer: int
    head: int
    weights: np.ndarray
    answers: list[str] | None
    source: list[str] | None
    right: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Attention(Analysis):
    """Alignment maps of attention, as Bahdanau, Cho and Bengio (2015), fig. 3.

    Attention weighs encoder outputs, which also depend on earlier (bidirectional: and later)
    symbols, so that the right weight may be beside the symbol itself. So accuracy is also
    reported for shifted maps. Of a Transformer each head of each layer is looked at; without an
    encoder what it attends to are its inputs.

    Args:
        answers: whether the model reads the `right` answers or its `own`.
        num_maps: number of sequences whose maps are drawn.
        num_sequences: number of test sequences.
        length: length of the sequences as the task counts it, or `null`.
    """

    answers: Literal["right", "own"]
    num_maps: PositiveInt
    num_sequences: PositiveInt
    length: PositiveInt | None

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject models without attention."""
        if isinstance(model, Seq2Seq) and model.attention is None:
            return "this model was built with attention=none"
        if type(model).attend is Model.attend:
            return "a network without encoder has no attention"
        return None

    @torch.no_grad()
    def analyze(self, experiment: Experiment) -> Findings:
        """Compute the attention weights of test sequences and their alignment."""
        model, task = experiment.model, experiment.task
        batch = draw_batch(experiment, self.num_sequences, self.length)
        answered = batch.target
        if self.answers == "own":
            batch, answered = free_reading(model, batch)
        weights = model.attend(batch)
        assert weights is not None
        source = _source(batch)
        right = task.alignment(batch)
        each = list(product(range(weights.shape[1]), range(weights.shape[2])))
        heads = [_head(weights, at, batch, source.real, right) for at in each]
        rows = range(min(self.num_maps, len(weights)))
        maps = [
            _map(task, batch, answered, source, weights, right, row, at)
            for row in rows
            for at in each
        ]
        seen = source.seen[batch.mask].float()
        measured = {
            "answers": int(batch.mask.sum()),
            "entropy_uniform_nats": float(seen.log().mean()),
            "source_steps": float(seen.mean()),
        }
        return Findings(
            lines=_lines(heads, measured),
            numbers=measured
            | (_numbers(heads[0]) if len(heads) == 1 else {})
            | {
                "heads": [_numbers(head) for head in heads],
                "maps": [drawn._asdict() for drawn in maps],
            },
            tables={"": _table(maps)},
            pictures=_pictures(maps, weights.shape[2])
            | _over_pictures(task, batch, answered, weights, rows),
        )


class _Source(NamedTuple):
    """What is attended to.

    Attributes:
        steps: `(B, S)` or `(B, S, I)`.
        real: `(B, S)` bool, True on real steps.
        seen: `(B, T)`, number of steps that each step can attend to.
    """

    steps: Tensor
    real: Tensor
    seen: Tensor


def _source(batch: Batch) -> _Source:
    if batch.source is None:
        every = torch.ones_like(batch.mask)
        return _Source(batch.input, every, every.cumsum(dim=1))
    real = batch.source_mask
    if real is None:
        real = torch.ones(batch.source.shape[:2], dtype=torch.bool)
    return _Source(batch.source, real, real.sum(1, keepdim=True).expand_as(batch.mask))


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


def free_reading(model: Model, batch: Batch) -> tuple[Batch, Tensor]:
    """Return the batch with the free-running answers as inputs, and these answers."""
    answers = free_answers(model, batch)
    if not model.spec.feedback:
        return batch, answers
    fed = feed(model.spec, batch.input[:, 1:], answers[:, :-1])
    answered = batch.mask[:, :-1]
    if fed.dim() > 2:
        answered = answered[..., None]
    read = torch.where(answered, fed, batch.input[:, 1:])
    return batch._replace(input=torch.cat([batch.input[:, :1], read], dim=1)), answers


def _head(
    weights: Tensor, at: tuple[int, int], batch: Batch, real: Tensor, right: Tensor | None
) -> Head:
    layer, head = at
    own = weights[:, layer, head]
    spread = entropy(own)[batch.mask]
    return Head(
        layer + 1,
        head + 1,
        float(spread.mean()),
        float(spread.exp().mean()),
        None if right is None else align(own, right, batch.mask, real),
    )


def _map(
    task: Task,
    batch: Batch,
    answered: Tensor,
    source: _Source,
    weights: Tensor,
    right: Tensor | None,
    row: int,
    at: tuple[int, int],
) -> AttentionMap:
    layer, head = at
    asked, real = batch.mask[row], source.real[row]
    return AttentionMap(
        row,
        layer + 1,
        head + 1,
        weights[row, layer, head][asked][:, real].numpy(),
        names(task, answered[row][asked]),
        names(task, source.steps[row][real]),
        None if right is None else right[row][asked][:, real].numpy(),
    )


def _numbers(head: Head) -> dict[str, Any]:
    found = head.alignment
    return head._asdict() | {"alignment": None if found is None else found._asdict()}


def _lines(heads: Sequence[Head], measured: Mapping[str, float]) -> list[str]:
    lines = []
    for head in heads:
        name = f"layer {head.layer} head {head.head}: " if len(heads) > 1 else ""
        lines.append(
            f"{name}weights are spread over {head.attended_steps:.1f} of "
            f"{measured['source_steps']:.1f} source steps: entropy {head.entropy_nats:.2f} of at "
            f"most {measured['entropy_uniform_nats']:.2f} nats"
        )
    known = [head for head in heads if head.alignment is not None]
    if not known:
        return [*lines, "where it should look this task can't say"]
    best = max(known, key=lambda head: head.alignment.accuracy if head.alignment else 0.0)
    name = f"layer {best.layer} head {best.head}, the best: " if len(heads) > 1 else ""
    assert best.alignment is not None
    return [*lines, *(f"{name}{line}" for line in _alignment_lines(best.alignment))]


def _alignment_lines(found: Alignment) -> list[str]:
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
    header = ["sequence", "layer", "head", "answer_step", "answer", "source_step", "source"]
    return [
        [*header, "weight"],
        *(
            [
                drawn.sequence,
                drawn.layer,
                drawn.head,
                step,
                _name(drawn.answers, step),
                place,
                _name(drawn.source, place),
                float(weight),
            ]
            for drawn in maps
            for (step, place), weight in np.ndenumerate(drawn.weights)
        ),
    ]


def _pictures(maps: Sequence[AttentionMap], num_heads: int) -> dict[str, Picture]:
    """Return a picture of all sequences; of several heads one of each sequence."""
    if maps[-1].layer == maps[-1].head == 1:
        return {"": Picture(partial(_draw, maps, None))}
    pictures = {}
    for row, own in groupby(maps, key=lambda drawn: drawn.sequence):
        name = "" if row == 0 else f"sequence_{row}"
        pictures[name] = Picture(partial(_draw, list(own), num_heads))
    return pictures


def _over_pictures(
    task: Task, batch: Batch, answered: Tensor, weights: Tensor, rows: Sequence[int]
) -> dict[str, Picture]:
    """Return the mean weights of all heads over the pictures that a task's sources show."""
    overlays = []
    for row in rows:
        asked = batch.mask[row]
        found = task.over_picture(batch, row, weights[row].mean((0, 1))[asked].numpy())
        if found is not None:
            overlays.append(Overlay(*found, task.answer_labels(answered[row][asked])))
    return {"over_picture": Picture(partial(draw_over_pictures, overlays))} if overlays else {}


def _name(known: Sequence[str] | None, step: int) -> str:
    return str(step) if known is None else known[step]


def _draw(maps: Sequence[AttentionMap], num_heads: int | None) -> "Figure":
    """Draw the maps, answers down and source across; frames mark the right source steps.

    With `num_heads` they are those of one sequence, a row of so many for each layer.
    """
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    height, width = (min(_MOST, max(m.weights.shape[i] for m in maps)) for i in (0, 1))
    columns = num_heads or (1 if width > _MANY or len(maps) == 1 else 2)
    num_rows = -(-len(maps) // columns)
    tall = (1.4 + 0.26 * min(height, _MANY)) / (1 if num_heads is None else 1.8)
    figure = new_figure(13.3 if columns > 1 or width > _MANY else 8, num_rows * tall)
    shared = num_heads is not None
    grid = figure.subplots(num_rows, columns, squeeze=False, sharex=shared, sharey=shared).ravel()
    for axes in grid[len(maps) :]:
        axes.remove()
    for axes, drawn in zip(grid, maps, strict=False):
        weights = drawn.weights[:_MOST, :_MOST]
        image = axes.imshow(weights, aspect="auto", cmap=shades(), vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        if shared:
            axes.set_title(f"layer {drawn.layer} head {drawn.head}", fontsize=11)
            axes.tick_params(labelsize=8)
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
    for axes in grid[max(0, len(maps) - columns) : len(maps)]:
        axes.set_xlabel("source", fontsize=11 if shared else 15)
    for axes in grid[: len(maps) : columns]:
        axes.set_ylabel("answer", fontsize=11 if shared else 15)
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.7, pad=0.02)
    framed = any(drawn.right is not None for drawn in maps)
    label = "weight" + "\n(framed: the right steps)" * framed
    bar.set_label(label, fontsize=11 if shared else 15)
    return figure
