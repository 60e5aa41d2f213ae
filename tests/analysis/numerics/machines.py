"""Known machines, and networks wired by hand to be them."""

from collections import deque
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnlab.cells import Elman
from rnnlab.experiment.data import Data
from rnnlab.experiment.experiment import Experiment
from rnnlab.models import Stream
from rnnlab.spec import Batch, Split, TaskSpec, Tokens
from rnnlab.tasks.base import Task
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.moore import NOTHING, Machine

PARITY = Machine(np.array([[0, 1], [1, 0]]), np.array([0, 1]), 0)
MOD_3 = Machine(np.array([[0, 1], [1, 2], [2, 0]]), np.array([0, 1, 2]), 0)
ADDER = Machine(  # states: (bit, carry) = 00, 10, 01, 11; columns: 00, 01, 10, 11
    np.array([[0, 1, 1, 2], [0, 1, 1, 2], [1, 2, 2, 3], [1, 2, 2, 3]]), np.array([0, 1, 0, 1]), 0
)


def distinguish(one: Machine, other: Machine) -> list[int] | None:
    """Return a shortest string with different answers of two machines, `None` if equivalent.

    Breadth-first search over reachable pairs of states.
    """
    begin = (one.start, other.start)
    found: dict[tuple[int, int], list[int]] = {begin: []}
    waiting = deque([begin])
    while waiting:
        pair = waiting.popleft()
        for symbol in range(one.transitions.shape[1]):
            a, b = (
                m.transitions[s, symbol] if s != NOTHING else NOTHING
                for m, s in zip((one, other), pair, strict=True)
            )
            string = [*found[pair], symbol]
            answered = [
                NOTHING if s == NOTHING else m.outputs[s] for m, s in ((one, a), (other, b))
            ]
            if answered[0] != answered[1]:
                return string
            if (a, b) not in found:
                found[a, b] = string
                waiting.append((a, b))
    return None


def draw_machine(seed: int, *, missing: float = 0.0) -> Machine:
    """Draw a machine of 2 to 12 states, of which many may be alike or out of reach."""
    rng = np.random.default_rng(seed)
    states, symbols = int(rng.integers(2, 13)), int(rng.integers(1, 4))
    transitions = rng.integers(states, size=(states, symbols))
    transitions[rng.random(transitions.shape) < missing] = NOTHING
    return Machine(transitions, rng.integers(2, size=states), int(rng.integers(states)))


class MachineTask(Task):
    """Answer random strings as a machine does."""

    def __init__(self, machine: Machine, length: int) -> None:
        super().__init__("stream", 0)
        self.machine = machine
        self.lengths = Lengths(length, length)
        symbols = machine.transitions.shape[1]
        self.spec = TaskSpec(Tokens(symbols), Tokens(int(machine.outputs.max()) + 1))
        self.floor = {}

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        rng = self.rng(split, index)
        size = (batch_size, self.lengths.most if length is None else length)
        symbols = rng.integers(self.spec.input.size, size=size)
        said = torch.from_numpy(self.machine.answers(symbols))
        return Batch(torch.from_numpy(symbols), said, torch.ones_like(said, dtype=torch.bool))

    def show(self, *_: Any) -> str:
        raise AssertionError


def wire(machine: Machine, spec: TaskSpec, sharpness: float = 10.0) -> Stream:
    """Build an Elman network with a unit for each state and symbol (Minsky, 1967, section 3.5).

    A unit is on, near 1, after its symbol was read in its state, else off, near -1. The last one
    is on at the start alone.
    """
    states, symbols = machine.transitions.shape
    leads_to = np.append(machine.transitions.reshape(-1), machine.start)
    make = partial(
        Elman,
        hidden_size=len(leads_to),
        activation="tanh",
        input_init="xavier",
        recurrent_init="orthogonal",
        recurrent_scale=1.0,
    )
    net = Stream(
        spec,
        cell=make,
        num_layers=1,
        dropout=0.0,
        embedding_size=None,
        initial_state="learned",
        horizon=None,
    )
    recurrent = torch.zeros(len(leads_to), len(leads_to))
    read = torch.zeros(len(leads_to), symbols)
    for state in range(states):
        for symbol in range(symbols):
            unit = state * symbols + symbol
            recurrent[unit] = torch.from_numpy((leads_to == state) / 2)
            read[unit, symbol] = 1
    answer = torch.zeros(spec.target.size, len(leads_to))
    answer[torch.from_numpy(machine.outputs[leads_to]), torch.arange(len(leads_to))] = 1.0
    _assign(net.cell.layers[0].recurrent_weight, sharpness * recurrent)
    _assign(net.cell.layers[0].input_weight, sharpness * read)
    _assign(net.cell.layers[0].bias, sharpness * (recurrent.sum(1) - 1.5))
    _assign(net.readout.weight, answer)
    _assign(net.readout.bias, answer.sum(1))
    start = torch.full((1, len(leads_to)), -1.0)
    start[0, -1] = 1.0
    _assign(net.initial[0], start)
    return net.eval()


def experiment_of(task: Task, model: Stream) -> Experiment:
    """Put a model and a task together, without a config."""
    data = Data(
        task,
        1,
        batch_size=4,
        eval_batch_size=4,
        train_size=None,
        val_size=4,
        test_size=4,
        curriculum=None,
    )
    return Experiment(None, task, model, data, None)


@torch.no_grad()
def _assign(parameter: Tensor, value: Tensor) -> None:
    parameter.copy_(value)
