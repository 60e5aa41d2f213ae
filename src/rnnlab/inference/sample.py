"""Generate a text, or a picture and a table of numbers, from a prompt."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import device_of, to_device
from rnnlab.inference.generate import Choose, Sampler, beam_search, free_steps
from rnnlab.models.base import Model
from rnnlab.models.feedback import greedy
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task

_OPEN_ENDED_TEMPERATURE = 0.8  # for tasks without a single right continuation


@dataclass(frozen=True)
class Decoding:
    """Settings of the decoding: greedy, sampling or beam search.

    Attributes:
        temperature: 0 is greedy; `None` is 0.8 for tasks without a single right continuation, such
            as `next_char`, and 0 for others.
        top_k: number of most probable tokens to sample from; `None` for all.
        top_p: total probability of the most probable tokens to sample from; `None` for all.
        beam: width of the beam search; `None` for no beam search.
        seed: seed of the sampling.
        length_norm: power of its length that the beam search divides an answer's score by.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    beam: int | None = None
    seed: int = 0
    length_norm: float = 0.0


@dataclass(frozen=True)
class Sample:
    """A generated sample.

    Attributes:
        shown: a text or a picture.
        table: rows of numbers under a heading, for tasks with real-valued targets; else empty.
    """

    shown: str | Image.Image
    table: list[list[str | float]]

    def save(self, place: Callable[[str], Path]) -> list[Path]:
        """Write the picture to `sample.png` and the table to `sample.csv`, and return their paths.

        Args:
            place: function from a file's name to its path.
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


def generate_sample(
    model: Model,
    task: Task,
    batch: Batch,
    decoding: Decoding,
    write: Callable[[str], object] = lambda _: None,
    *,
    answers_only: bool = False,
) -> Sample:
    """Generate the answers to a prompt.

    Args:
        model: a trained model.
        task: the task that it was trained on.
        batch: the prompt, as `task.prompt` returns it, one row for each sample.
        decoding: settings of the decoding.
        write: called with each piece of the text as soon as it is generated.
        answers_only: whether the text leaves out the prompt.

    Raises:
        ConfigError: the decoding doesn't suit the task, or `answers_only` for answers without text.
    """
    if answers_only and not task.answers_in_words:
        raise ConfigError(
            "answer_file must be null: this task has no answers in words of their own"
        )
    batch = to_device(batch, device_of(model))
    steps = answer_steps(model, task, batch, decoding)
    if not isinstance(task.spec.target, Tokens):
        answers = torch.stack(list(steps), dim=1)  # (B, T, O)
        shown = task.show_answers(batch, answers)
        if isinstance(shown, str):
            write(shown)
        return Sample(shown, task.table(batch, answers))
    pieces = []
    generate = task.write_while_generating if answers_only else task.show_while_generating
    for piece in generate(batch, steps):
        if isinstance(piece, Image.Image):
            return Sample(piece, [])
        write(piece)
        pieces.append(piece)
    return Sample("".join(pieces), [])


def answer_steps(model: Model, task: Task, batch: Batch, decoding: Decoding) -> Iterator[Tensor]:
    """Return the answers of each step, `(B,)` ids or `(B, O)` numbers, as they are generated.

    Raises:
        ConfigError: the decoding doesn't suit the task.
    """
    tokens = isinstance(task.spec.target, Tokens)
    temperature = decoding.temperature
    if temperature is None:
        open_ended = tokens and not task.scores_free_run and not decoding.beam
        temperature = _OPEN_ENDED_TEMPERATURE if open_ended else 0.0
    _check_decoding(decoding, temperature, tokens)
    return _steps(model, task, batch, decoding, temperature)


def _steps(
    model: Model, task: Task, batch: Batch, decoding: Decoding, temperature: float
) -> Iterator[Tensor]:
    if decoding.beam is not None:
        answers, _ = beam_search(
            model,
            batch,
            decoding.beam,
            task.end,
            never=task.never,
            length_norm=decoding.length_norm,
        )
        yield from answers.unbind(1)
        return
    choose: Choose = greedy
    if temperature > 0:
        generator = torch.Generator().manual_seed(decoding.seed)
        choose = Sampler(temperature, decoding.top_k, decoding.top_p, generator)
    for _, answer in free_steps(model, batch, choose):
        yield answer


def _check_decoding(decoding: Decoding, temperature: float, tokens: bool) -> None:
    truncation = {"top_k": decoding.top_k, "top_p": decoding.top_p}
    if not tokens and (temperature > 0 or decoding.beam or any(truncation.values())):
        raise ConfigError(
            "temperature, top_k, top_p and beam must be null: this task answers in numbers"
        )
    if decoding.beam is not None and temperature > 0:
        raise ConfigError(
            f"temperature must be 0 or null with beam={decoding.beam}, got {temperature}"
        )
    if decoding.length_norm and decoding.beam is None:
        raise ConfigError(f"length_norm={decoding.length_norm} needs a beam")
    for name, value in truncation.items():
        if value is not None and temperature == 0:
            raise ConfigError(f"{name}={value} needs a temperature above 0")
