"""Every key of the glossary is one that can be given."""

import re
from pathlib import Path

import pytest

from rnnlab.config.compose import compose
from rnnlab.experiment import Experiment

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"
ROWS = re.findall(r"^\| (.+?) \| .+ \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
WORDS = {word: re.findall(r"`([\w./]+=[^\s`]+)`", keys) for word, keys in ROWS}


@pytest.mark.parametrize("word", [word for word, keys in WORDS.items() if keys])
def test_a_word_leads_to_a_key(word):
    given = [key for key in WORDS[word] if not key.startswith("analysis=")]
    task = [] if any(key.startswith("task=") for key in given) else ["task=copy"]
    Experiment.assemble(compose([*given, *task]))
