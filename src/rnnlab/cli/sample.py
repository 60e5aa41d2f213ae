"""`rnnlab-sample`: generate from a trained model."""

from rnnlab.cli.exits import command
from rnnlab.process.output import say

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
    from rnnlab.commands.sample import FIELDS, sample

    own, overrides = parse_arguments(_USAGE, {"run": str, **FIELDS})
    samples = sample(own.pop("run"), overrides, write=lambda text: say(text, end=""), **own)
    for path in samples.files:
        say(path)
