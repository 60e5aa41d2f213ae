"""A model that goes on by itself on its own answers, as a map."""

import torch
from torch import Tensor

from rnnlab.models.base import Model
from rnnlab.models.feedback import feed
from rnnlab.models.seq2seq import Seq2Seq, Seq2SeqState
from rnnlab.spec import Batch
from rnnlab.state import State, flatten, map_state, unflatten


class FreeRun:
    """A model that goes on by itself from a batch's first answer, as a map over flat states.

    A state holds what the model carries and, where answers are fed back, the last answer. Each
    row is a map of its own where what it reads besides, a plan or a source, differs.

    Args:
        model: in float64.
        batch: in float64; all rows are answered from the same step on.

    Attributes:
        start: `(B, D)` the states after the first answer.
        rows: `(B,)` their numbers.
        size: D.
    """

    def __init__(self, model: Model, batch: Batch) -> None:
        self.model = model
        first = int(batch.mask[0].int().argmax())
        with torch.no_grad():
            state = model.begin(batch)
            for input in batch.input[:, : first + 1].unbind(1):
                output, state = model.step(input, state)
        self._input = batch.input[:, -1]
        self._state = state
        self._answer_size = output.shape[1] if model.spec.feedback else 0
        self.start = self._pack(state, output)
        self.rows = torch.arange(len(self.start))
        self.size = self.start.shape[1]

    def step(self, states: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: states `(B, D)` of `rows` `(B,)` -> the next, and the answers."""
        state = map_state(lambda leaf: leaf[rows], self._state)
        input = self._input[rows]
        carried = states[:, : self.size - self._answer_size]
        state = _moved(state, unflatten(carried, _moving(self.model, state)))
        if self._answer_size:
            input = feed(self.model.spec, input, states[:, -self._answer_size :])
        output, state = self.model.step(input, state)
        return self._pack(state, output), output

    @torch.no_grad()
    def run(self, start: Tensor, rows: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Run on: `(B, D)` -> the states after each step `(B, T, D)`, and the answers."""
        visited, outputs, states = [], [], start
        for _ in range(steps):
            states, output = self.step(states, rows)
            visited.append(states)
            outputs.append(output)
        return torch.stack(visited, dim=1), torch.stack(outputs, dim=1)

    def rows_by_input(self) -> dict[str, list[int]]:
        """Group the rows that are one map; each group is named by what it reads."""
        read = self._input[:, self._answer_size :]
        groups: dict[str, list[int]] = {}
        for row, numbers in enumerate(read.tolist()):
            besides = " and " + " ".join(f"{number:g}" for number in numbers) if numbers else ""
            source = f", after source {row + 1}" if self.reads_source else ""
            groups.setdefault(f"its own answers{besides}{source}", []).append(row)
        return groups

    @property
    def reads_source(self) -> bool:
        """Whether each step looks back at the source."""
        model = self.model
        return isinstance(model, Seq2Seq) and (
            model.attention is not None or model.context_every_step
        )

    def _pack(self, state: State, output: Tensor) -> Tensor:
        carried = flatten(_moving(self.model, state))
        return torch.cat([carried, output], dim=1) if self._answer_size else carried


def _moving(model: Model, state: State) -> State:
    """Give the part of a state that steps change; a decoder's memory of the source stays."""
    if not isinstance(state, Seq2SeqState):
        return state
    assert isinstance(model, Seq2Seq)
    return (state.decoder, state.context) if model.input_feeding else (state.decoder,)


def _moved(state: State, moving: State) -> State:
    if not isinstance(state, Seq2SeqState):
        return moving
    decoder, *context = moving
    return state._replace(decoder=decoder, context=context[0] if context else state.context)
