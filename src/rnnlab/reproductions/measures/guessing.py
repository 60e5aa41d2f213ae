"""Random weight guessing, against which a long-lag task must prove that it is hard."""

from functools import partial

import torch

from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.models.base import Model
from rnnlab.random_streams import generator
from rnnlab.ranges import Positive, PositiveInt
from rnnlab.reproductions.bound import Bound
from rnnlab.runs.run import Run
from rnnlab.spec import Batch, map_batch
from rnnlab.tasks.base import Task

_AT_ONCE = 250  # guesses that are computed as one model
_FEW = (2, 8)  # first sequences, by which most guesses are known to be wrong


@torch.no_grad()
def mean_guesses(
    run: Run,
    *,
    metric: str,
    must: str,
    num_sequences: PositiveInt,
    scale: Positive,
    searches: PositiveInt,
    most: PositiveInt,
) -> float:
    """Return how many random weights are tried until some solve the task of a run, in the mean.

    Hochreiter and Schmidhuber (1996), Bridging long time lags by weight guessing and "long
    short-term memory". All weights and biases of the run's model are guessed anew each time.

    Args:
        run: the run, whose own weights don't matter.
        metric: of the task, such as `accuracy`.
        must: what it must be on all sequences, and on the first ones, for the task to be solved, as
            `Bound.read` reads it.
        num_sequences: of training, the same for all guesses.
        scale: weights are uniform between this and its negative.
        searches: the mean is over so many.
        most: guesses after which a search is given up, and counted as so many.
    """
    bound, task = Bound.read(must), run.task
    every = task.sample("train", 0, num_sequences)
    parts = [_first(every, size) for size in (*_FEW, num_sequences)]
    stacked = StackedModel([run.model])
    score = partial(_score, task, metric)

    def search(number: int) -> int:
        rng = generator(run.config.seed, "weights", number)
        for begun in range(0, most, _AT_ONCE):
            drawn = rng.uniform(-scale, scale, (_AT_ONCE, stacked.flat.shape[1]))
            guesses = torch.from_numpy(drawn).float()
            left = torch.arange(_AT_ONCE)
            for batch in parts:
                scores = stacked(score, guesses[left], batch, shared=True).tolist()
                left = left[[bound.holds(value) for value in scores]]
                if not len(left):
                    break
            else:
                return min(begun + int(left[0]) + 1, most)
        return most

    return sum(map(search, range(searches))) / searches


def _score(task: Task, metric: str, model: Model, batch: Batch) -> torch.Tensor:
    return task.metrics(model(batch)[0], batch)[metric].value


def _first(batch: Batch, size: int) -> Batch:
    return map_batch(lambda part: part[:size], batch)
