"""Several layers of cells."""

from collections.abc import Sequence

from torch import Tensor, nn

from rnnlab.cells.base import Cell
from rnnlab.cells.dropout import Dropout
from rnnlab.state import State


class Stack(Cell):
    """L layers of cells as one cell: each layer reads the output of the layer below.

    State: a tuple of the layers' states, lowest first; output: that of the highest layer.

    Args:
        cells: the layers, lowest first; the output size of each is the input size of the next.
        dropout: dropout probability between layers, with a new mask at each step.
    """

    def __init__(self, cells: Sequence[Cell], dropout: float) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.dropout = Dropout(dropout)
        self.input_size = cells[0].input_size
        self.output_size = cells[-1].output_size

    @property
    def layers(self) -> list[Cell]:
        """The cells, lowest first."""
        return [cell for cell in self.cells if isinstance(cell, Cell)]

    def initial_state(self, batch_size: int) -> State:
        """Return a tuple of the layers' initial states."""
        return tuple(cell.initial_state(batch_size) for cell in self.layers)

    def forward(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step through all layers: `(B, I)`, state -> `(B, O)`, state."""
        states = []
        for index, (cell, layer_state) in enumerate(zip(self.layers, state, strict=True)):
            if index:
                input = self.dropout(input)
            input, layer_state = cell(input, layer_state)
            states.append(layer_state)
        return input, tuple(states)

    def unroll(
        self, inputs: Tensor, state: State, mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Unroll one layer after another, so that each can use its `unroll_fast`."""
        inputs, states = self.unroll_below(inputs, state, mask)
        outputs, highest = self.layers[-1].unroll(inputs, state[-1], mask)
        return outputs, (*states, highest)

    def unroll_below(
        self, inputs: Tensor, state: State, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Unroll all layers but the highest; return its inputs `(B, T, I)`, and their states."""
        states = []
        for cell, layer_state in zip(self.layers[:-1], state[:-1], strict=True):
            inputs, layer_state = cell.unroll(inputs, layer_state, mask)
            inputs = self.dropout(inputs)
            states.append(layer_state)
        return inputs, tuple(states)

    def trajectory(self, inputs: Tensor, state: State) -> State:
        """Return every layer's state after every step."""
        states = []
        for index, (cell, layer_state) in enumerate(zip(self.layers, state, strict=True)):
            if index:
                inputs = self.dropout(inputs)
            states.append(cell.trajectory(inputs, layer_state))
            if cell is not self.layers[-1]:
                inputs, _ = cell.unroll(inputs, layer_state)
        return tuple(states)

    def clamp(self, state: State, values: Tensor) -> State:
        """Clamp the first units of the lowest layer."""
        return (self.layers[0].clamp(state[0], values), *state[1:])
