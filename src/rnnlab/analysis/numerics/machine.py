"""Finite state machines that answer after each symbol: minimal ones, and what tells two apart."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NOTHING = -1
"""A transition or an answer that there is not."""


@dataclass(frozen=True)
class Machine:
    """A Moore machine (1956): the answer after a symbol is that of the state then reached.

    Attributes:
        transitions: `(S, K)`, the state after each symbol, or `NOTHING`.
        outputs: `(S,)` answers, or `NOTHING`.
        start: the first state.
    """

    transitions: Ints
    outputs: Ints
    start: int

    def answers(self, symbols: Ints) -> Ints:
        """Answer after each symbol of strings `(B, T)`.

        A symbol below 0, or one that a state has no transition for, ends all answers: `NOTHING`.
        """
        # A state more, which has no answer and which nothing leaves.
        table = np.pad(self.transitions, ((0, 1), (0, 1)), constant_values=NOTHING)
        outputs = np.append(self.outputs, NOTHING)
        state = np.full(len(symbols), self.start)
        answered = np.empty_like(symbols)
        for step, symbol in enumerate(symbols.T):
            state = table[state, symbol]
            answered[:, step] = outputs[state]
        return answered


def refine(transitions: Ints, labels: Ints) -> Ints:
    """Find the coarsest partition that keeps labels apart and is kept by all transitions.

    Hopcroft (1971), An n log n algorithm for minimizing states in a finite automaton: a set that
    others lead into splits those of which only a part does, and of two halves the smaller is
    enough to split others by.

    Args:
        transitions: `(S, K)`, none missing.
        labels: `(S,)` what keeps states apart to begin with.

    Returns:
        The number of each state's set, `(S,)`.
    """
    into: list[list[list[int]]] = [[[] for _ in transitions] for _ in transitions.T]
    for state, row in enumerate(transitions.tolist()):
        for symbol, following in enumerate(row):
            into[symbol][following].append(state)
    _, of = np.unique(labels, return_inverse=True)
    sets = [set(np.flatnonzero(of == number).tolist()) for number in range(of.max() + 1)]
    waiting = [(number, symbol) for number in range(len(sets)) for symbol in range(len(into))]
    while waiting:
        number, symbol = waiting.pop()
        leading: dict[int, set[int]] = {}
        for following in sets[number]:
            for state in into[symbol][following]:
                leading.setdefault(int(of[state]), set()).add(state)
        for split, inside in leading.items():
            outside = sets[split] - inside
            if not outside:
                continue
            smaller, sets[split] = sorted((inside, outside), key=len)
            of[list(smaller)] = len(sets)
            waiting += [(len(sets), symbol) for symbol in range(len(into))]
            sets.append(smaller)
    return of


def minimise(machine: Machine) -> tuple[Machine, Ints]:
    """Merge the states that no string tells apart, and drop those that none leads to.

    A missing transition is one to a state of its own. A start without an answer, to which nothing
    leads back, is merged with a state from which the same symbols lead to the same states, for it
    is never asked. States are numbered as a search by breadth finds them, so that two machines of
    one meaning come out the same.

    Returns:
        The machine, and for each old state its new number or `NOTHING`.
    """
    out = len(machine.outputs)
    table = np.where(machine.transitions == NOTHING, out, machine.transitions)
    table = np.vstack([table, np.full(table.shape[1], out)])
    of = refine(table, np.append(machine.outputs, NOTHING - 1))
    sets, one_of_each = np.unique(of, return_index=True)
    table, outputs = of[table[one_of_each]], np.append(machine.outputs, NOTHING)[one_of_each]
    start, out = of[machine.start], of[-1]
    if outputs[start] == NOTHING and start not in table:
        twins = [s for s in sets if s not in (start, out) and (table[s] == table[start]).all()]
        start = min(twins, key=lambda twin: outputs[twin], default=start)
    number = {out: NOTHING}
    found = deque([start])
    while found:
        state = found.popleft()
        if state not in number:
            number[state] = len(number) - 1
            found.extend(table[state])
    kept = [state for state in number if state != out]
    renumber = np.array([number.get(state, NOTHING) for state in sets])
    smallest = Machine(renumber[table[kept]], outputs[kept], 0)
    return smallest, renumber[of[:-1]]


def distinguish(one: Machine, other: Machine) -> list[int] | None:
    """Find a shortest string after which two machines answer differently; `None` if none does.

    A breadth-first search over the pairs of states that strings lead to.
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


def to_dot(machine: Machine, symbols: list[str], answers: list[str]) -> str:
    """Write a machine in the DOT language of Graphviz; states bear their answers."""
    lines = ["digraph automaton {", "  rankdir=LR;", "  node [shape=circle];"]
    lines += ['  start [shape=point, label=""];', f"  start -> q{machine.start};"]
    for state, output in enumerate(machine.outputs.tolist()):
        lines.append(f"  q{state} [label={_quote('' if output == NOTHING else answers[output])}];")
    for (state, following), read in arrows(machine).items():
        label = ", ".join(symbols[symbol] for symbol in read)
        lines.append(f"  q{state} -> q{following} [label={_quote(label)}];")
    return "\n".join([*lines, "}", ""])


def arrows(machine: Machine) -> dict[tuple[int, int], list[int]]:
    """Group the symbols that lead from one state to one other."""
    found: dict[tuple[int, int], list[int]] = {}
    for state, symbol in np.argwhere(machine.transitions != NOTHING).tolist():
        following = int(machine.transitions[state, symbol])
        found.setdefault((state, following), []).append(symbol)
    return found


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
