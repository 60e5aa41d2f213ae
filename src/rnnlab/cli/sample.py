"""`rnnlab-sample`: generate from a trained model."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.output import say
from rnnlab.ranges import Count, NonNegative, PositiveInt, PositiveProbability

if TYPE_CHECKING:
    from rnnlab.spec import Batch
    from rnnlab.tasks.base import Task

_STANDARD = "-"  # standard input or output instead of a file
_LARGEST = 2**26  # bytes of a file of prompts
_USAGE = """
rnnlab-sample: let a trained model write, answer or oscillate, from its run directory alone.

usage: rnnlab-sample run=DIR [prompt=TEXT | prompt_file=FILE] [length=N] [temperature=X] [top_k=N]
                     [top_p=X] [num_samples=N] [beam=N] [length_norm=X] [seed=N]
                     [answer_file=FILE] [checkpoint=best] [SETTING=VALUE ...]

  run=DIR            the directory that training printed last
  prompt=TEXT        what to go on from: a beginning for next_char, a source for addition and
                     translation; null: the task's own (of most tasks, test sequences)
  prompt_file=FILE   UTF-8: for next_char all of it is the prompt, but for a newline at its end;
                     for addition and translation each line is one; -: standard input
  length=N           steps to answer; null: the task's own
  temperature=X      0: always the likeliest; null: 0.8 for next_char, 0 for the rest
  top_k=N            draw among so many of the likeliest only; null: all
  top_p=X            draw among the likeliest that have this probability together; null: all
  num_samples=N      how many (1)
  beam=N             search with so many beams for the likeliest whole answer (temperature 0 only)
  length_norm=X      of the beam search: divide the log-probability of an answer by its length to
                     the power of X; 0: don't, which favours short answers; 1: the mean (0)
  seed=N             of the draws (0)
  answer_file=FILE   a new file for the answers, without what was asked, each line of prompt_file
                     in a line of its own; -: standard output
  checkpoint=best    best | last
  SETTING=VALUE      any setting of the run's task, as in its config.yaml

Examples
  rnnlab-sample run=DIR prompt="ROMEO:" length=400 temperature=0.8 num_samples=3
  rnnlab-sample run=DIR prompt="12+34" beam=4
  rnnlab-sample run=DIR prompt="the small cat sleeps"
  rnnlab-sample run=DIR prompt_file=english.txt answer_file=french.txt
  rnnlab-sample run=DIR num_samples=4          (an oscillation: a picture and a CSV of a free run)

Texts are printed as they come; pictures and numbers go to figures/ in the run directory.
"""


def main() -> None:
    """Generate, and print texts as they come."""
    command("rnnlab-sample", _main)


def _main() -> None:
    from rnnlab.cli.arguments import parse_arguments

    fields: dict[str, Any] = {
        "run": str,
        "prompt": str | None,
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
    defaults = {"num_samples": 1, "length_norm": 0.0, "seed": 0, "checkpoint": "best"}
    own, overrides = parse_arguments(
        _USAGE, fields, {**dict.fromkeys(fields.keys() - {"run"}), **defaults}
    )
    if own["prompt"] is not None and own["prompt_file"] is not None:
        raise ConfigError("prompt must be null where prompt_file gives the prompts")

    from rnnlab.runs.run import Run

    run = Run.load(own["run"])

    from rnnlab.inference.sample import Decoding, generate_sample
    from rnnlab.process.arithmetic import arithmetic

    experiment = run.open(overrides, own["checkpoint"])
    task, answers_only = experiment.task, own["answer_file"] is not None
    settings = ("temperature", "top_k", "top_p", "beam", "seed", "length_norm")
    decoding = Decoding(**{key: own[key] for key in settings})
    with _writer(own["answer_file"]) as write, arithmetic(experiment.cfg):
        for prompt in _prompts(task, own):
            sample = generate_sample(
                experiment.model, task, prompt, decoding, write, answers_only=answers_only
            )
            if isinstance(sample.shown, str):
                write("\n")
            for path in sample.save(run.figure):
                say(path)


def _prompts(task: "Task", own: dict[str, Any]) -> Iterator["Batch"]:
    """Yield a batch for each prompt; those of a file are all read first.

    Raises:
        ConfigError: a prompt is invalid; of a file, with its line.
    """
    samples, length, file = own["num_samples"], own["length"], own["prompt_file"]
    if file is None:
        yield task.prompt(own["prompt"], samples, length)
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
        return read_bytes(Path(file).expanduser(), largest=_LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"prompt_file={file} must be UTF-8: {error}") from error


@contextlib.contextmanager
def _writer(file: str | None) -> Iterator[Callable[[str], object]]:
    """Yield a function that writes and flushes text: to standard output, or to a new file.

    The file is made at the first write.

    Raises:
        ConfigError: the file exists, or can't be made.
    """
    if file in (None, _STANDARD):
        yield lambda text: say(text, end="")
        return
    assert file is not None
    path = Path(file).expanduser()
    if path.is_symlink() or path.exists():
        raise ConfigError(f"answer_file must be a new file, got {file}, which is there")
    if not path.parent.is_dir():
        raise ConfigError(f"answer_file must be in a directory that is there, got {file}")
    with contextlib.ExitStack() as stack:
        opened: list[TextIO] = []

        def write(text: str) -> None:
            if not opened:
                try:
                    opened.append(stack.enter_context(path.open("x", encoding="utf-8")))
                except OSError as error:
                    raise ConfigError(f"answer_file={file}: {error.strerror}") from error
            opened[0].write(text)
            opened[0].flush()

        yield write
