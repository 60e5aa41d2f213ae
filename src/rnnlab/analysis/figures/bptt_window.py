"""Which steps, units and weights of a backpropagation are drawn."""

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rnnlab.analysis.figures.bptt import Band, Column, UnrolledNet, WeightChange, short
from rnnlab.analysis.probe.backpropagation import Backpropagation
from rnnlab.analysis.probe.system import systems
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task

_MATRIX = 32  # rows and columns of a matrix drawn at most
_Row = tuple[int, bool, str]


class Window:
    """A few steps of the backpropagation through one sequence.

    They are the last ones up to the last answer; of an encoder-decoder model those around the
    bridge.

    Args:
        model: the model.
        task: its task.
        batch: the sequence.
        found: its forward and backward pass.
        num_steps: C, the number of steps drawn at most.
        num_units: the number of units drawn of each vector.

    Attributes:
        places: C pairs of a system and a step of it.
        shown: the systems of these pairs.
        answering: the system that answers.
    """

    def __init__(
        self,
        model: Model,
        task: Task,
        batch: Batch,
        found: Backpropagation,
        num_steps: int,
        num_units: int,
    ) -> None:
        self.systems = systems(model)
        self.task = task
        self.batch = batch
        self.found = found
        self.num_units = num_units
        self.answering = next(reversed(self.systems))
        self.reverse_source = isinstance(model, Seq2Seq) and model.reverse_source
        self.places = self._places(num_steps)
        self.shown = list(dict.fromkeys(name for name, _ in self.places))

    def drawn(self, changes: dict[str, Tensor], rate: float) -> UnrolledNet:
        """Return the content of the figure, given the change `(S, ...)` of each parameter."""
        count = sum(self._count(name) for name in self.shown)
        changed = [
            self._change(name, steps)
            for name, steps in reversed(changes.items())
            if steps.dim() == 3 and "embed" not in name and self._owner(name) in self.shown
        ]
        bands = self._bands()
        notes = ["", "large vectors and weights:", "where most happens"]
        whole = all(unit == "" for band in bands[1:] for step in band.labels for unit in step)
        part = "" if count == len(self.places) else f"{len(self.places)} of {count} steps, "
        return UnrolledNet(
            f"Backpropagation through time: {part}loss {short(self.found.loss)}, "
            f"learning rate {rate:g}",
            [self._column(*place) for place in self.places],
            bands,
            changed,
            [] if whole else notes,
        )

    def drawn_steps(self, parameter: str) -> list[int]:
        """Return the steps at which the change of a parameter is drawn."""
        owner = self._owner(parameter)
        return [step for system, step in self.places if system == owner]

    def _places(self, num_steps: int) -> list[tuple[str, int]]:
        last = int(self.batch.mask[0].nonzero().max()) + 1
        before = 0 if self.batch.source is None else self._count("encoder")
        after = min(last, num_steps - min(before, num_steps // 2))
        before = min(before, num_steps - after)
        first = last - after if self.batch.source is None else 0
        return [
            *(("encoder", self._count("encoder") - k) for k in range(before, 0, -1)),
            *((self.answering, first + k) for k in range(after)),
        ]

    def _count(self, system: str) -> int:
        return len(next(iter(self.found.systems[system].states.values())))

    def _owner(self, parameter: str) -> str:
        """Return the system that uses a parameter; the readout belongs to the answering one."""
        head = parameter.partition(".")[0]
        return head if head in self.systems else self.answering

    def _name(self, parameter: str) -> str:
        """Return the label of a parameter, in short lines."""
        layers = len(self.systems[self._owner(parameter)].cell.layers)
        for layer in range(layers):
            place = f"layer{layer + 1}." if layers > 1 else ""
            parameter = parameter.replace(f"cell.cells.{layer}.", place)
        return re.sub(r"\.(\d)", r" \1", parameter).replace(".", "\n").replace("_", "\n")

    def _column(self, system: str, step: int) -> Column:
        if system == self.answering:
            read = self._spell(self.batch.input[0, step : step + 1], self.task.labels)
            return Column(f"step {step}", self._target(step), float(self.found.losses[step]), read)
        source = self.batch.source
        assert source is not None
        place = source.shape[1] - 1 - step if self.reverse_source else step
        read = self._spell(source[0, place : place + 1], self.task.labels)
        return Column(f"source {step}", "", torch.nan, read)

    def _target(self, step: int) -> str:
        target = self.batch.target[0, step : step + 1]
        wide = target.dim() == 2 and target.shape[1] > 3
        if wide or not self.batch.mask[0, step]:
            return ""
        return self._spell(target, self.task.answer_labels).replace("\n", " ")

    def _spell(self, step: Tensor, labels: Callable[[Tensor], list[str]]) -> str:
        """Return the text of a symbol `(1,)` or of numbers `(1, I)`."""
        if step.dim() == 1:
            return _visible(labels(step))[0]
        some = [f"{value:.2g}" for value in step[0, : self.num_units].tolist()]
        return "\n".join(some) + ("\n..." if step.shape[1] > self.num_units else "")

    def _bands(self) -> list[Band]:
        """Return the bands of the outputs and below them of the states, highest layer first."""
        fed_back = self._fed_back()
        rows: dict[_Row, dict[str, str]] = {}
        for name in reversed(self.shown):
            for part in self.systems[name].parts:
                if part.name != fed_back and part.units.start < part.units.stop:
                    rows.setdefault(self._row(name, part.name), {})[name] = part.name
        states = (self._band(rows[row], place) for place, row in enumerate(sorted(rows), start=1))
        return [self._answers(fed_back), *states]

    def _row(self, system: str, part: str) -> _Row:
        """Return the sort key of a part: the layer, then visible vectors before inner ones."""
        layer, dot, name = part.rpartition(".")
        layers = len(self.systems[system].cell.layers)
        below = layers - int(layer.removeprefix("layer")) if dot else 0
        return below, name in ("cell", "context"), name

    def _fed_back(self) -> str | None:
        """Return the part of the state that equals the output, if the cell contains the readout."""
        top = self.systems[self.answering].cell.layers[-1]
        if self.answering != "network" or not top.answers:
            return None
        return self.systems["network"].parts[-1].name

    def _answers(self, fed_back: str | None) -> Band:
        """Return the band of the outputs: probabilities of symbols, or numbers."""
        steps = torch.tensor([step for _, step in self.places])
        own = torch.tensor([name == self.answering for name, _ in self.places])
        steps = steps.where(own, 0)
        blank = ~own if fed_back else ~(own & self.batch.mask[0, steps])
        tokens = isinstance(self.task.spec.target, Tokens)
        values = self.found.outputs.softmax(1) if tokens else self.found.outputs
        deltas = self.found.output_deltas[steps].masked_fill(blank[:, None], torch.nan)
        units = largest_units(deltas, self.num_units)
        labels = _numbers(units, deltas.shape[1])
        if tokens:
            labels = _visible(self.task.answer_labels(units))
        return Band(
            "answer",
            [[] if missing else labels for missing in blank.tolist()],
            values[steps].masked_fill(blank[:, None], torch.nan)[:, units],
            deltas[:, units],
            1 if fed_back else None,
            self._carried({"network": fed_back} if fed_back else {}),
        )

    def _band(self, parts: dict[str, str], place: int) -> Band:
        """Return the band of a part of the state; each system has its own units in it."""
        chosen = {
            system: largest_units(
                self.found.systems[system].deltas[name][
                    [step for other, step in self.places if other == system]
                ],
                self.num_units,
            )
            for system, name in parts.items()
        }
        values = torch.full((2, len(self.places), max(map(len, chosen.values()))), torch.nan)
        labels: list[list[str]] = [[] for _ in self.places]
        for column, (system, step) in enumerate(self.places):
            if system in chosen:
                name, units, passage = parts[system], chosen[system], self.found.systems[system]
                values[0, column, : len(units)] = passage.states[name][step, units]
                values[1, column, : len(units)] = passage.deltas[name][step, units]
                labels[column] = _numbers(units, passage.states[name].shape[1])
        names = sorted(set(parts.values()), key=len)
        feeds = place + names[0].endswith("output")  # a Jordan network's context, the next band
        return Band(names[0], labels, values[0], values[1], feeds, self._carried(parts))

    def _carried(self, parts: dict[str, str]) -> Tensor:
        return torch.tensor(
            [
                float(self.found.systems[system].carried[parts[system]][step].norm())
                if system in parts
                else torch.nan
                for system, step in self.places
            ]
        )

    def _change(self, name: str, steps: Tensor) -> WeightChange:
        """Return the change of a weight matrix, cut to its largest rows and columns."""
        rows, columns = largest_rows_and_columns(steps)
        cut = steps[:, rows][:, :, columns]
        norms = steps.flatten(1).norm(dim=1)
        own = self.drawn_steps(name)
        return WeightChange(
            self._name(name),
            [
                column
                for column, (system, _) in enumerate(self.places)
                if system == self._owner(name)
            ],
            cut[own],
            cut.sum(0),
            norms[own],
            float(steps.sum(0).norm()),
            len(steps),
            bool(norms[: own[0]].any()),
            bool(norms[own[-1] + 1 :].any()),
        )


def largest_units(values: Tensor, most: int) -> Tensor:
    """Return the indices along the last dimension with the largest absolute sums, ascending."""
    total = values.reshape(-1, values.shape[-1]).abs().nan_to_num(0).sum(0)
    return total.topk(min(most, len(total))).indices.sort().values


def largest_rows_and_columns(steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices of the rows and columns of `(S, R, K)` that are drawn and written."""
    return largest_units(steps.transpose(1, 2), _MATRIX), largest_units(steps, _MATRIX)


def _visible(labels: Sequence[str]) -> list[str]:
    return [label if label.strip() else "\N{OPEN BOX}" for label in labels]


def _numbers(units: Tensor, size: int) -> list[str]:
    """Return the numbers of units as labels, empty ones if all units are drawn."""
    return [str(unit) if len(units) < size else "" for unit in units.tolist()]
