"""Settings of training that depend on the machine."""

import pytest
import torch

from rnnlab.config.build import build
from rnnlab.config.compose import compose


@pytest.mark.parametrize(("there", "taken"), [(True, "gpu"), (False, "cpu")])
def test_auto_takes_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch, there: bool, taken: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    cfg = compose(["model=elman", "task=copy", "trainer.accelerator=auto"])
    assert build("trainer", cfg.trainer).accelerator == taken
    assert cfg.trainer.accelerator == "auto"
