"""Let a model speak: from a prompt to a text, or a picture and its numbers."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from rnnlab.errors import ConfigError
from rnnlab.evaluation import device_of, to_device
from rnnlab.feedback import greedy
from rnnlab.generate import Choose, beam_search, free_run_with_answers, sampler
from rnnlab.models.base import Model
from rnnlab.spec import Tokens
from rnnlab.tasks.base import Task

_LIVELY = 0.8  # temperature where no one continuation is right


@dataclass(frozen=True)
class Manner:
    """How answers are chosen.

    Attributes:
        temperature: 0 is the likeliest token; `None` is 0.8 where no one continuation is right.
        top_k: draw among so many of the likeliest only; `None` for all.
        beam: number of beams; `None` for none.
        seed: of the draws.
    """

    temperature: float | None
    top_k: int | None
    beam: int | None
    seed: int


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
    prompt: str | None,
    num_samples: int,
    length: int | None,
    manner: Manner,
) -> Spoken:
    """Answer a prompt `num_samples` times.

    Raises:
        ConfigError: the prompt or the manner doesn't go with the task.
    """
    tokens = isinstance(task.spec.target, Tokens)
    temperature = manner.temperature
    if temperature is None:
        temperature = 0.0 if task.scores_free_run or not tokens or manner.beam else _LIVELY
    _check_manner(manner, temperature, tokens)
    batch = to_device(task.prompt(prompt, num_samples, length), device_of(model))
    if manner.beam is not None:
        answers, _ = beam_search(model, batch, manner.beam, task.end)
    else:
        choose: Choose = greedy
        if temperature > 0:
            generator = torch.Generator().manual_seed(manner.seed)
            choose = sampler(temperature, manner.top_k, generator)
        _, answers = free_run_with_answers(model, batch, choose)
    return Spoken(task.tell(batch, answers), [] if tokens else task.table(batch, answers))


def _check_manner(manner: Manner, temperature: float, tokens: bool) -> None:
    if not tokens and (temperature > 0 or manner.top_k or manner.beam):
        raise ConfigError("temperature, top_k and beam must be null: this task answers in numbers")
    if manner.beam is not None and temperature > 0:
        raise ConfigError(
            f"temperature must be 0 or null with beam={manner.beam}, got {temperature}"
        )
    if manner.top_k is not None and temperature == 0:
        raise ConfigError(f"top_k={manner.top_k} needs a temperature above 0")
