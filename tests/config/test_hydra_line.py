"""A command line is divided into Hydra's options and overrides."""

from pathlib import Path

import hydra
import pytest

from rnnlab.config.hydra_line import Line
from rnnlab.config.sources import BUILT_IN, ConfigSource
from rnnlab.errors import ConfigError


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
def test_options_are_distinguished_from_overrides(words, options, overrides, many):
    read = Line.read(words.split())
    assert (read.options, read.overrides, read.many) == (options.split(), overrides.split(), many)


def test_the_source_of_configs_is_read():
    assert Line.read(["a=1"]).source == BUILT_IN
    assert Line.read(["a=1", "-cd", "c", "-cn", "best"]).source == ConfigSource(Path("c"), "best")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--config-path c a=1", "--config-path can't be set, .*: --config-dir DIR adds yours"),
        ("-cp=c", "--config-path can't be set"),
        ("--experimental-rerun f", "--experimental-rerun can't be used: resume=RUNDIR goes on"),
    ],
)
def test_what_would_do_harm_or_nothing_is_refused(words, said):
    if "rerun" in words and not hydra.__version__.startswith("1.3"):
        pytest.skip("Hydra 1.4 has no such option")
    with pytest.raises(ConfigError, match=said):
        Line.read(words.split())
