"""Extraction of a finite state machine from a trained network."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Gt, Le

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows
from rnnlab.analysis.figures.graph import draw_machine
from rnnlab.analysis.figures.style import new_figure
from rnnlab.analysis.lengths import trained_lengths
from rnnlab.analysis.numerics.machine import minimise, to_dot
from rnnlab.analysis.numerics.pca import components
from rnnlab.analysis.numerics.quantising import (
    Numbers,
    Strings,
    Table,
    agreement,
    count_transitions,
    k_means,
    nearest,
)
from rnnlab.analysis.probe.alphabet import (
    Alphabet,
    alphabet_of,
    answer_names,
    answer_strings,
    states_after,
)
from rnnlab.analysis.probe.system import System
from rnnlab.analysis.progress import within_budget
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.plots.palette import COLORS
from rnnlab.ranges import PositiveInt, Probability, Seed
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task
from rnnlab.tasks.moore import NOTHING, Ints, Machine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 4000  # states that are clustered, and that are drawn, at most
_GREY = "#8A8A8A"  # of states without an answer
_STEPS = 100_000  # of all strings of one length together


class Extraction(NamedTuple):
    """An extracted machine.

    Attributes:
        machine: the minimal machine.
        states: `(B, T)`, its state at each real step, else `NOTHING`.
        num_clusters: number of k-means clusters.
        table: the machine before minimisation.
        agreement: share of the network's answers on the same strings that it reproduces.
    """

    machine: Machine
    states: Ints
    num_clusters: int
    table: Table
    agreement: float


@dataclass(frozen=True, kw_only=True)
class Automaton(Analysis):
    """A Moore machine extracted as by Giles et al. (1992) and Omlin and Giles (1996).

    Visited states are clustered by k-means; a state of the machine is a pair of cluster and
    answer, its transitions are the most frequent ones, and Hopcroft's algorithm minimises it. If
    it reproduces the network's answers, also on much longer strings, it is what the network
    computes.

    Args:
        num_clusters: number of clusters; `null` is the fewest whose machine agrees.
        max_clusters: largest number tried then.
        enough: share of the network's answers that a machine must reproduce to agree.
        num_sequences: number of test sequences, of the longest trained length.
        factor: longest length tested, as a multiple of the trained length.
        max_symbols: largest number of input symbols of the task.
        seed: seed of k-means.
    """

    num_clusters: PositiveInt | None
    max_clusters: Annotated[PositiveInt, Le(1000)]
    enough: Probability
    num_sequences: PositiveInt
    factor: Annotated[float, Gt(1), Le(1000)]
    max_symbols: PositiveInt
    seed: Seed

    def refusal(self, model: Model, task: Task) -> str | None:
        """Reject models and tasks that do not map each of few symbols to a symbol."""
        if not isinstance(model, Stream):
            return "an encoder-decoder model doesn't answer after each symbol that it reads"
        if not System(model).recurrent:
            return "its state is its last inputs, so it has as many states as there are of those"
        if not isinstance(task.spec.target, Tokens):
            return "its answers are numbers, and a machine says one of a few symbols"
        if isinstance(task.spec.input, Tokens):
            count = task.spec.input.vocab_size
        else:
            count = len(
                task.sample("test", 0, self.num_sequences).input.flatten(0, 1).unique(dim=0)
            )
        if count > self.max_symbols:
            return (
                f"it reads {count} different symbols, and analysis.max_symbols={self.max_symbols}"
            )
        return None

    def analyze(self, experiment: Experiment) -> Findings:
        """Extract a machine, and compare it with the network at several lengths."""
        model, task = experiment.model, experiment.task
        assert isinstance(model, Stream)
        own = None if task.trained_lengths is None else trained_lengths(experiment).most
        batch = task.sample("test", 0, self.num_sequences, length=own)
        alphabet = alphabet_of(task, batch)
        strings, visited = answer_strings(model, batch, alphabet), states_after(model, batch)
        tried = self._extract(strings, visited, len(alphabet.names))
        best = max(tried, key=lambda found: found.agreement)
        tests = {
            length: answer_strings(model, self._draw(task, length), alphabet)
            for length in within_budget(self._lengths(own), "test lengths")
        }
        names = answer_names(task)
        return Findings(
            lines=self._lines(best, tried[-1].num_clusters, tests, alphabet),
            numbers={
                "num_states": len(best.machine.outputs),
                "start": best.machine.start,
                "symbols": alphabet.names,
                "answers": names,
                "transitions": best.machine.transitions,
                "outputs": best.machine.outputs,
                "num_clusters": best.num_clusters,
                "ambiguity": best.table.ambiguity,
                "agreement_by_clusters": {found.num_clusters: found.agreement for found in tried},
                "by_length": {
                    length or "its own": _compare(best.machine, test)
                    for length, test in tests.items()
                },
            },
            tables={"": _table(best, alphabet, names)},
            pictures={"": Picture(lambda: _draw(best, visited, alphabet, names))},
            texts={"dot": to_dot(best.machine, alphabet.names, names)},
        )

    def _extract(self, strings: Strings, visited: Numbers, num_symbols: int) -> list[Extraction]:
        """Return the machines of more and more clusters, the last one agrees if any does."""
        rng = np.random.default_rng(self.seed)
        points = visited[strings.real]
        points = points[rng.permutation(len(points))[:_POINTS]]
        tried: list[Extraction] = []
        for count in within_budget([*self._counts()], "numbers of clusters", share=0.7):
            centres = k_means(points, count, rng)
            clusters = nearest(visited.reshape(-1, visited.shape[2]), centres)
            table = count_transitions(strings, clusters.reshape(strings.symbols.shape), num_symbols)
            machine, new = minimise(table.machine)
            states = np.where(strings.real, new[table.states], NOTHING)
            agreed = agreement(machine, strings)
            tried.append(Extraction(machine, states, count, table, agreed))
            if agreed >= self.enough or len(centres) < count:
                break
        return tried

    def _counts(self) -> Iterator[int]:
        """Yield the numbers of clusters to try, each a quarter more than the last."""
        count = self.num_clusters or 1
        while count <= (self.num_clusters or self.max_clusters):
            yield count
            count = max(count + 1, count * 5 // 4)

    def _lengths(self, own: int | None) -> list[int | None]:
        if own is None:
            return [None]
        return sorted({own, round(own * self.factor**0.5), round(own * self.factor)})

    def _draw(self, task: Task, length: int | None) -> Batch:
        """Return other sequences than the machine was extracted from, fewer if they are long."""
        rows = self.num_sequences
        if length is not None:
            rows = min(rows, max(_STEPS // length, 1))
        return task.sample("test", 1, rows, length=length)

    def _lines(
        self, best: Extraction, most: int, tests: dict[int | None, Strings], alphabet: Alphabet
    ) -> list[str]:
        size, agreed = len(best.machine.outputs), best.agreement >= self.enough
        lines = [
            f"{size} state{'s' if size > 1 else ''} over {len(alphabet.names)} symbols, "
            f"from {best.num_clusters} clusters"
        ]
        if not agreed:
            of = "" if self.num_clusters else f" of up to {most} clusters"
            lines.append(
                f"it is not what the net does: no machine{of} gave {self.enough:.1%} of its answers"
            )
        for length, test in tests.items():
            shares = _compare(best.machine, test)
            lines.append(
                ("" if length is None else f"length {length}: ")
                + f"agrees on {shares['agreement']:.2%} of answers"
                + (f" and has none for {shares['unknown']:.2%}" if shares["unknown"] else "")
                + f"; {shares['machine_right']:.2%} are right, "
                + f"of the net's {shares['net_right']:.2%}"
            )
        lines.append(f"{best.table.ambiguity:.2%} of steps left a cluster another way than most")
        return lines


def _compare(machine: Machine, test: Strings) -> dict[str, float]:
    asked = test.answers != NOTHING
    answered = machine.answers(test.symbols)
    return {
        "agreement": agreement(machine, test),
        "unknown": float((answered == NOTHING)[asked].mean()),
        "machine_right": float((answered == test.right)[asked].mean()),
        "net_right": float((test.answers == test.right)[asked].mean()),
    }


def _table(best: Extraction, alphabet: Alphabet, answers: list[str]) -> Rows:
    """Return a row for each state: its answer, its share of all steps, its transitions."""
    visits = best.states[best.states != NOTHING]
    rows = [
        [
            state,
            "" if output == NOTHING else answers[output],
            float((visits == state).mean()),
            *("" if following == NOTHING else following for following in row),
        ]
        for state, (output, row) in enumerate(
            zip(best.machine.outputs.tolist(), best.machine.transitions.tolist(), strict=True)
        )
    ]
    return [["state", "answer", "visited", *(f"after {name}" for name in alphabet.names)], *rows]


def _draw(best: Extraction, visited: Numbers, alphabet: Alphabet, answers: list[str]) -> "Figure":
    """Draw the visited states along two principal components, and the machine beside them."""
    machine = best.machine
    # More states than colours are coloured by their answers.
    by_state = len(machine.outputs) <= len(COLORS)
    numbers = np.arange(len(machine.outputs))
    keys = np.where(by_state & (machine.outputs != NOTHING), numbers, machine.outputs).tolist()
    colors = [_GREY if key == NOTHING else COLORS[key % len(COLORS)] for key in keys]
    real = best.states != NOTHING
    points, states = visited[real], best.states[real]
    shown = np.linspace(0, len(points) - 1, min(len(points), _POINTS)).astype(int)
    places: Any = components(points).plane(points[shown])
    figure = new_figure(width=13.3, height=6.2)
    left, right = figure.subplots(1, 2, width_ratios=(0.8, 1))
    for state, color in enumerate(colors):
        own = places[states[shown] == state]
        left.plot(*own.T, ".", color=color, markersize=7, alpha=0.6, mew=0, rasterized=True)
    left.set(
        xlabel="first principal component of the state", ylabel="second", title="Visited states"
    )
    draw_machine(right, machine, symbols=alphabet.names, answers=answers, colors=colors)
    right.set_title(f"The machine; it gives {best.agreement:.1%} of the net's answers")
    key = _key(alphabet) + ("\ngrey: no answer" if NOTHING in machine.outputs else "")
    right.text(0.5, -0.02, key, size=13, ha="center", va="top", transform=right.transAxes)
    return figure


def _key(alphabet: Alphabet) -> str:
    """Say what is written in circles and on arrows."""
    key = "in a circle: the answer in this state; on an arrow: what is read"
    if alphabet.values is None or alphabet.values.shape[1] == 1:
        return key
    pairs = zip(alphabet.names, alphabet.values.tolist(), strict=True)
    name, value = max(pairs, key=lambda pair: len(set(pair[1])))
    numbers = " and ".join(f"{number:g}" for number in value)
    return f"{key},\n{len(value)} numbers at once: {name} are {numbers}"
