"""Moore machines: minimisation and drawing."""

from collections import deque

import numpy as np

from rnnlab.tasks.moore import NOTHING, Ints, Machine


def refine(transitions: Ints, labels: Ints) -> Ints:
    """Return the coarsest stable partition of the states that refines the labels.

    Hopcroft (1971), An n log n algorithm for minimizing states in a finite automaton: the states
    that lead into a set split the other sets, and of two halves the smaller one suffices to split
    by later.

    Args:
        transitions: `(S, K)`, none missing.
        labels: `(S,)`, the initial partition.

    Returns:
        The set number of each state, `(S,)`.
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
    """Merge the equivalent states of a machine, and drop the unreachable ones.

    Missing transitions lead to an extra state. An initial state without an answer and without
    incoming transitions is merged with a state of the same transitions, since its output is never
    read. States are numbered in breadth-first order, so that equivalent machines become equal.

    Returns:
        The minimal machine, and the new number of each old state or `NOTHING`.
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


def to_dot(machine: Machine, symbols: list[str], answers: list[str]) -> str:
    """Return a machine in the DOT language of Graphviz; states are labelled by their answers."""
    lines = ["digraph automaton {", "  rankdir=LR;", "  node [shape=circle];"]
    lines += ['  start [shape=point, label=""];', f"  start -> q{machine.start};"]
    for state, output in enumerate(machine.outputs.tolist()):
        lines.append(f"  q{state} [label={_quote('' if output == NOTHING else answers[output])}];")
    for (state, following), read in arrows(machine).items():
        label = ", ".join(symbols[symbol] for symbol in read)
        lines.append(f"  q{state} -> q{following} [label={_quote(label)}];")
    return "\n".join([*lines, "}", ""])


def arrows(machine: Machine) -> dict[tuple[int, int], list[int]]:
    """Return the symbols of all transitions by pairs of states `(from, to)`."""
    found: dict[tuple[int, int], list[int]] = {}
    for state, symbol in np.argwhere(machine.transitions != NOTHING).tolist():
        following = int(machine.transitions[state, symbol])
        found.setdefault((state, following), []).append(symbol)
    return found


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
