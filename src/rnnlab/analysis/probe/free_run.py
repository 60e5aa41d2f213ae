"""A free-running model as a map over flat states."""

import torch
from torch import Tensor

from rnnlab.models.base import Model
from rnnlab.models.feedback import feed
from rnnlab.models.seq2seq import Seq2Seq, Seq2SeqState
from rnnlab.spec import Batch
from rnnlab.state import State, flatten, map_state, unflatten


class FreeRun:
    """A model that runs free from the first answer of a batch, as a map over flat states.

    A flat state is the model's state and, if answers are fed back, the last answer. Rows that
    read different further inputs or sources are different maps.

    Args:
        model: a model in float64.
        batch: sequences in float64 whose first answer is at the same step.

    Attributes:
        start: `(B, D)`, the flat states after the first answer.
        rows: `(B,)`, the row numbers 0 to B-1.
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
        """Take one step: states `(B, D)` of `rows` `(B,)` -> the next states, outputs `(B, O)`."""
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
        """Take T steps: `(B, D)` -> states after each step `(B, T, D)`, outputs `(B, T, O)`."""
        visited, outputs, states = [], [], start
        for _ in range(steps):
            states, output = self.step(states, rows)
            visited.append(states)
            outputs.append(output)
        return torch.stack(visited, dim=1), torch.stack(outputs, dim=1)

    def rows_by_input(self) -> dict[str, list[int]]:
        """Return the rows of each different map, by the name of what the map reads."""
        read = self._input[:, self._answer_size :]
        groups: dict[str, list[int]] = {}
        for row, numbers in enumerate(read.tolist()):
            besides = " and " + " ".join(f"{number:g}" for number in numbers) if numbers else ""
            source = f", after source {row + 1}" if self.reads_source else ""
            groups.setdefault(f"its own answers{besides}{source}", []).append(row)
        return groups

    @property
    def reads_source(self) -> bool:
        """Whether each decoder step reads the source, by attention or a context vector."""
        model = self.model
        return isinstance(model, Seq2Seq) and (
            model.attention is not None or model.context_every_step
        )

    def _pack(self, state: State, output: Tensor) -> Tensor:
        carried = flatten(_moving(self.model, state))
        return torch.cat([carried, output], dim=1) if self._answer_size else carried


def _moving(model: Model, state: State) -> State:
    """Return the part of a state that changes from step to step, without the encoded source."""
    if not isinstance(state, Seq2SeqState):
        return state
    assert isinstance(model, Seq2Seq)
    return (state.decoder, state.context) if model.input_feeding else (state.decoder,)


def _moved(state: State, moving: State) -> State:
    if not isinstance(state, Seq2SeqState):
        return moving
    decoder, *context = moving
    return state._replace(decoder=decoder, context=context[0] if context else state.context)
