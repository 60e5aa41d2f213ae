"""Texts, answers and free runs of a trained model."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rnnlab.commands.arguments import (
    new_path,
    refuse_training_settings,
    split_words,
    user_path,
)
from rnnlab.commands.train import open_run
from rnnlab.config.arguments import Settings, as_overrides
from rnnlab.errors import ConfigError
from rnnlab.process.output import say
from rnnlab.process.untouched import process_untouched
from rnnlab.ranges import Count, NonNegative, PositiveInt, PositiveProbability
from rnnlab.runs.figures import Figures
from rnnlab.runs.html import text
from rnnlab.runs.run import Run

if TYPE_CHECKING:
    from PIL import Image

    from rnnlab.spec import Batch
    from rnnlab.tasks.base import Task

FIELDS: Mapping[str, Any] = {
    "prompt": str | list[str] | None,
    "prompt_file": str | None,
    "length": PositiveInt | None,
    "temperature": NonNegative | None,
    "top_k": PositiveInt | None,
    "top_p": PositiveProbability | None,
    "num_samples": PositiveInt,
    "beam": PositiveInt | None,
    "length_norm": NonNegative,
    "seed": Count,
    "answer_file": str | None,
    "checkpoint": Literal["best", "last"],
}
"""Keys of the command with their annotations."""
_DECODING = ("temperature", "top_k", "top_p", "beam", "seed", "length_norm")
_STANDARD = "-"  # standard input or output instead of a file
_LARGEST = 2**26  # bytes of a file of prompts
Write = Callable[[str], object]


@dataclass(frozen=True)
class Samples:
    """What a model generated, for each prompt.

    Attributes:
        shown: a text or a picture for each prompt, which shows all its samples.
        files: files that were written, of tasks that answer in numbers or pictures.
    """

    shown: "Sequence[str | Image.Image]"
    files: Sequence[Path]

    @property
    def texts(self) -> list[str]:
        """The texts, without the pictures."""
        return [each for each in self.shown if isinstance(each, str)]

    @property
    def figures(self) -> Figures:
        """The pictures that were written: name -> path; a notebook shows them."""
        return Figures({path.stem: path for path in self.files if path.suffix == ".png"})

    def __str__(self) -> str:
        return "\n".join(self.texts)

    def _repr_html_(self) -> str:
        pictures = self.figures._repr_html_() if self.figures else ""
        return "\n".join([*(f"<pre>{text(each)}</pre>" for each in self.texts), pictures])


@process_untouched()
def sample(
    run: Run | str | Path,
    *settings: Settings,
    prompt: str | Sequence[str] | None = None,
    prompt_file: str | Path | None = None,
    length: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    num_samples: int = 1,
    beam: int | None = None,
    length_norm: float = 0.0,
    seed: int = 0,
    answer_file: str | Path | None = None,
    checkpoint: Literal["best", "last"] = "best",
    write: Write | None = None,
    **named: Any,
) -> Samples:
    """Let a trained model write, answer or oscillate.

    Pictures and numbers go to `figures/` in the run directory.

    Args:
        run: the run, or its directory.
        *settings: settings of the run's task to change, in any form that `train` takes.
        prompt: what to go on from, a text or several; `None` is the task's own, of most tasks
            sequences of the test data.
        prompt_file: a file with prompts: of `next_char` all of it, of others each line; `-` is
            standard input.
        length: steps to answer; `None` is the task's own.
        temperature: 0 is the likeliest; `None` is 0.8 for `next_char` and 0 for most others.
        top_k: draw among so many of the likeliest.
        top_p: draw among the likeliest that have this probability together.
        num_samples: number of samples for each prompt.
        beam: width of a search for the likeliest whole answer.
        length_norm: power of its length that the search divides an answer's log-probability by.
        seed: of the draws.
        answer_file: a new file for the answers, without what was asked; `-` is standard output.
        checkpoint: `best` or `last`.
        write: called with each piece of text as soon as it is generated, such as
            `functools.partial(print, end="")`.
        **named: as for `train`.

    Returns:
        Texts or pictures for each prompt.

    Raises:
        ConfigError: a setting or a prompt is wrong, or a file of the run is missing or damaged.

    Example:
        >>> print(rnnlab.sample(run, prompt="ROMEO:", length=400, temperature=0.8))
        >>> rnnlab.sample(run, prompt=["12+34", "5+6"], beam=4).texts
    """
    given = {
        "prompt": prompt if prompt is None or isinstance(prompt, str) else list(prompt),
        "prompt_file": None if prompt_file is None else str(prompt_file),
        "length": length,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "num_samples": num_samples,
        "beam": beam,
        "length_norm": length_norm,
        "seed": seed,
        "answer_file": None if answer_file is None else str(answer_file),
        "checkpoint": checkpoint,
    }
    own, overrides = split_words(as_overrides(settings, named), FIELDS, given)
    refuse_training_settings(overrides)
    if own["prompt"] is not None and own["prompt_file"] is not None:
        raise ConfigError("prompt must be null where prompt_file gives the prompts")
    run = open_run(run)

    from rnnlab.inference.sample import Decoding, generate_sample
    from rnnlab.process.arithmetic import arithmetic

    experiment = run.open(overrides, own["checkpoint"])
    task, answers_only = experiment.task, own["answer_file"] is not None
    decoding = Decoding(**{key: own[key] for key in _DECODING})
    shown: list[str | Image.Image] = []
    files: dict[Path, None] = {}
    with _writer(own["answer_file"], write) as put, arithmetic(experiment.cfg):
        for batch in _prompts(task, own):
            made = generate_sample(
                experiment.model, task, batch, decoding, put, answers_only=answers_only
            )
            if isinstance(made.shown, str):
                put("\n")
            shown.append(made.shown)
            files |= dict.fromkeys(made.save(run.figure))
    return Samples(shown, list(files))


def _prompts(task: "Task", own: dict[str, Any]) -> Iterator["Batch"]:
    """Yield a batch for each prompt; those of a file are all read first.

    Raises:
        ConfigError: a prompt is invalid; of a file, with its line.
    """
    samples, length, file = own["num_samples"], own["length"], own["prompt_file"]
    if file is None:
        asked = own["prompt"] if isinstance(own["prompt"], list) else [own["prompt"]]
        yield from [task.prompt(prompt, samples, length) for prompt in asked]
    elif not task.prompt_by_line:
        text = sys.stdin.read() if file == _STANDARD else _read(file)
        yield task.prompt(text.removesuffix("\n"), samples, length)
    else:

        def of_line(number: int, line: str) -> "Batch":
            try:
                return task.prompt(line.rstrip("\r\n"), samples, length)
            except ConfigError as error:
                raise ConfigError(f"prompt_file, line {number}: {error}") from error

        if file == _STANDARD:
            yield from (of_line(*numbered) for numbered in enumerate(sys.stdin, 1))
        else:
            lines = _read(file).removesuffix("\n").split("\n")
            yield from [of_line(*numbered) for numbered in enumerate(lines, 1)]


def _read(file: str) -> str:
    from rnnlab.files.untrusted import read_bytes

    try:
        return read_bytes(user_path(file), largest=_LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"prompt_file={file} must be UTF-8: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"prompt_file: {error}") from error


@contextlib.contextmanager
def _writer(file: str | None, write: Write | None) -> Iterator[Write]:
    """Yield a function that writes text: the given one, or one that flushes it to a file.

    The file is made at the first write.

    Args:
        file: a new file, `-` for standard output, or `None`.
        write: what writes without a file; `None` writes nothing.

    Raises:
        ConfigError: the file exists, or can't be made.
    """
    if file is None:
        yield write or (lambda _: None)
        return
    if file == _STANDARD:
        yield lambda text: say(text, end="")
        return
    path = new_path(file, "answer_file")
    with contextlib.ExitStack() as stack:
        opened: list[TextIO] = []

        def write_to_file(text: str) -> None:
            if not opened:
                try:
                    opened.append(stack.enter_context(path.open("x", encoding="utf-8")))
                except OSError as error:
                    raise ConfigError(f"answer_file={file}: {error.strerror}") from error
            opened[0].write(text)
            opened[0].flush()

        yield write_to_file
