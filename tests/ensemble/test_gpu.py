"""A group on a GPU trains as its members alone do there."""

from pathlib import Path

import pytest
import torch

import rnnlab
from tests.ensemble.groups import alone, close, open_group, together
from tests.ensemble.test_training import MODELS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
LONGER = ["trainer.max_steps=12", "trainer.val_every=6", "trainer.log_every=4"]  # beyond a warm-up


@pytest.mark.parametrize("name", MODELS)
def test_each_member_learns_what_it_would_have_learnt_alone(name: str, tmp_path: Path) -> None:
    words = [
        [*MODELS[name], *LONGER, "trainer=gpu", f"output_dir={tmp_path}", *more]
        for more in (["seed=0", "optimizer.lr=0.01"], ["seed=1", "trainer.clip_norm=0.1"])
    ]
    group = open_group(words)
    assert [ended.status for ended in together(group)] == ["finished"] * 2
    for one, other in zip(alone(words), group, strict=True):
        assert other.card["group"] == 2
        assert other.card["device"].startswith("cuda")
        close(other.results, one.results)
        close(other.rows, one.rows)


def test_a_member_goes_on_alone(tmp_path: Path) -> None:
    words = [
        [*MODELS["gru"], *LONGER, "trainer=gpu", f"output_dir={tmp_path}", f"seed={seed}"]
        for seed in range(2)
    ]
    run, _ = open_group(words)
    together([run, _])
    on = rnnlab.resume(run.path, ["trainer.max_steps=14"])
    assert on.card["status"] == "finished"
    assert next(on.model.parameters()).device.type == "cpu"
