"""The files of a finished run."""

import pytest

from rnnlab.training.results import _fenced


@pytest.mark.parametrize(
    ("text", "fence"), [("a`b", "```"), ("```\nx", "````"), ("`````", "``````")]
)
def test_a_text_stays_inside_its_block_whatever_backticks_it_has(text, fence):
    first, *inner, last = _fenced(text).split("\n")
    assert first == last == fence
    assert "\n".join(inner) == text
