"""Which words of a command line are options of Hydra's, and which are settings."""

import pytest

from rnnlab.cli.hydra_line import Line


@pytest.mark.parametrize(
    ("words", "options", "overrides", "many"),
    [
        ("seed=1 model=lstm", "", "seed=1 model=lstm", False),
        ("seed=1 -m", "-m", "seed=1", True),
        ("a=1 --config-dir c b=2", "--config-dir c", "a=1 b=2", False),
        ("a=1 -cd c --cfg job b=2", "-cd c --cfg job", "a=1 b=2", False),
        ("--config-d=c a=1", "--config-d=c", "a=1", False),
        ("--package a=1 a=1", "--package a=1", "a=1", False),
        ("sweep=s seed=1", "-m", "sweep=s seed=1", True),
        ("sweep=s -m", "-m", "sweep=s", True),
        ("sweep=s --cfg job", "--cfg job", "sweep=s", False),
        ("--help sweep=s", "--help", "sweep=s", False),
        ("--run sweep=s", "--run", "sweep=s", False),
    ],
)
def test_options_are_told_from_settings(words, options, overrides, many):
    assert Line.read(words.split()) == Line(options.split(), overrides.split(), many)
