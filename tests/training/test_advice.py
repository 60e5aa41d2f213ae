"""The note about a precision that would train faster."""

import pytest

import rnnlab
from rnnlab.training import prepare
from rnnlab.training.prepare import multiplies_bfloat16
from tests.small_runs import tiny


@pytest.mark.parametrize(
    ("words", "instructions", "advised"),
    [
        (["model.cell.hidden_size=512"], True, True),
        (["model.cell.hidden_size=512"], False, False),
        (["model.cell.hidden_size=256"], True, False),
        (["model.cell.hidden_size=512", "trainer.precision=bf16-mixed"], True, False),
    ],
)
def test_bfloat16_is_advised_for_large_nets_where_it_is_fast(
    tmp_path, capsys, monkeypatch, words, instructions, advised
):
    monkeypatch.setattr(prepare, "multiplies_bfloat16", lambda: instructions)
    run = rnnlab.train(tiny(tmp_path, *words, "trainer.max_steps=1"))
    assert ("trainer.precision=bf16-mixed" in capsys.readouterr().err) == advised
    rnnlab.resume(run.path, ["trainer.max_steps=2"])  # which can't change the precision
    assert "bf16" not in capsys.readouterr().err


def test_whether_a_processor_has_bfloat16_is_known():
    assert multiplies_bfloat16() in (True, False)
