"""How many patterns of a run two nets store, on small ones."""

import pytest

from rnnlab import train
from rnnlab.errors import ConfigError
from rnnlab.reproductions.measures.hopfield import (
    capacity,
    overlap_at,
    recalled_by_hebb,
    recalled_by_softmax,
)
from rnnlab.runs.run import Run
from tests.small_runs import SMALL, tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    sizes = ["task.pattern_size=100", "task.num_patterns=60", "task.clamped_bits=1"]
    words = ["task=attractor_memory", "model=elman", "model.cell.hidden_size=1", *sizes, *SMALL]
    return train([*words, f"output_dir={tmp_path_factory.mktemp('runs')}"])


def test_few_patterns_are_stable_and_many_are_not(run):
    assert overlap_at(run, load=0.05, num_cues=5) == 1
    assert overlap_at(run, load=0.6, num_cues=30) < 0.6
    with pytest.raises(ConfigError, match="num_patterns must be at least 70, got 60"):
        overlap_at(run, load=0.7, num_cues=5)


def test_the_capacity_is_where_the_overlap_falls(run):
    load = capacity(run, overlap=0.75, num_cues=60)
    assert overlap_at(run, load=load - 0.1, num_cues=60) > 0.75
    assert overlap_at(run, load=load + 0.1, num_cues=60) < 0.75


def test_a_softmax_recalls_what_hebbs_rule_cannot(run):
    assert recalled_by_softmax(run, flipped=10, num_cues=60, beta=8.0) == 1
    assert recalled_by_hebb(run, flipped=10, num_cues=60) == 0


def test_another_task_has_no_patterns(tmp_path):
    with pytest.raises(ConfigError, match="task must be attractor_memory, got copy"):
        overlap_at(train(tiny(tmp_path)), load=0.1, num_cues=1)
