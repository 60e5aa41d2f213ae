"""Let a model speak: from a prompt to a text, or a picture and its numbers."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import device_of, to_device
from rnnlab.inference.generate import Choose, beam_search, free_steps, sampler
from rnnlab.models.base import Model
from rnnlab.models.feedback import greedy
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task

_LIVELY = 0.8  # temperature where no one continuation is right


@dataclass(frozen=True)
class Manner:
    """How answers are chosen.

    Attributes:
        temperature: 0 is the likeliest token; `None` is 0.8 where no one continuation is right.
        top_k: draw among so many of the likeliest tokens only; `None` for all.
        top_p: draw among the likeliest tokens that have this probability together; `None` for all.
        beam: number of beams; `None` for none.
        seed: of the draws.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    beam: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Spoken:
    """What a model said.

    Attributes:
        shown: a text or a picture.
        table: the numbers under a heading, where answers are numbers.
    """

    shown: str | Image.Image
    table: list[list[str | float]]

    def save(self, place: Callable[[str], Path]) -> list[Path]:
        """Write the picture as `sample.png` and the numbers as `sample.csv`; gives the paths.

        Args:
            place: gives a file's path by its name.
        """
        written = []
        if isinstance(self.shown, Image.Image):
            written.append(place("sample.png"))
            self.shown.save(written[-1])
        if self.table:
            written.append(place("sample.csv"))
            with written[-1].open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(self.table)
        return written


def speak(
    model: Model,
    task: Task,
    batch: Batch,
    manner: Manner,
    write: Callable[[str], object] = lambda _: None,
    *,
    alone: bool = False,
) -> Spoken:
    """Answer a batch that `task.prompt` made.

    Args:
        model: answers.
        task: what it learnt.
        batch: the prompt, once a sample.
        manner: how answers are chosen.
        write: called with each piece of the text as it comes.
        alone: whether the text is that of the answers alone, without what was asked.

    Raises:
        ConfigError: the manner doesn't go with the task, or its answers are no text.
    """
    tokens = isinstance(task.spec.target, Tokens)
    temperature = manner.temperature
    if temperature is None:
        temperature = 0.0 if task.scores_free_run or not tokens or manner.beam else _LIVELY
    _check_manner(manner, temperature, tokens)
    batch = to_device(batch, device_of(model))
    steps = _steps(model, task, batch, manner, temperature)
    if not tokens:
        answers = torch.stack(list(steps), dim=1)
        return Spoken(task.tell(batch, answers), task.table(batch, answers))
    told = []
    for piece in task.spell(batch, steps) if alone else task.telling(batch, steps):
        if isinstance(piece, Image.Image):
            return Spoken(piece, [])
        write(piece)
        told.append(piece)
    return Spoken("".join(told), [])


def _steps(
    model: Model, task: Task, batch: Batch, manner: Manner, temperature: float
) -> Iterator[Tensor]:
    """Give the answers of one step after another, `(B,)` ids or `(B, O)` numbers."""
    if manner.beam is not None:
        yield from beam_search(model, batch, manner.beam, task.end)[0].unbind(1)
        return
    choose: Choose = greedy
    if temperature > 0:
        generator = torch.Generator().manual_seed(manner.seed)
        choose = sampler(temperature, manner.top_k, manner.top_p, generator)
    for _, answer in free_steps(model, batch, choose):
        yield answer


def _check_manner(manner: Manner, temperature: float, tokens: bool) -> None:
    cuts = {"top_k": manner.top_k, "top_p": manner.top_p}
    if not tokens and (temperature > 0 or manner.beam or any(cuts.values())):
        raise ConfigError(
            "temperature, top_k, top_p and beam must be null: this task answers in numbers"
        )
    if manner.beam is not None and temperature > 0:
        raise ConfigError(
            f"temperature must be 0 or null with beam={manner.beam}, got {temperature}"
        )
    for name, value in cuts.items():
        if value is not None and temperature == 0:
            raise ConfigError(f"{name}={value} needs a temperature above 0")
