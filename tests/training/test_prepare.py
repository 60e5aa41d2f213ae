"""Settings that are refused before a run trains, and imports that this needs."""

import subprocess
import sys

import pytest
import torch

import rnnlab
from rnnlab.cli import train
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.tasks.base import Mean
from rnnlab.tasks.copy import Copy
from rnnlab.training.prepare import prepare, without_compiler
from tests.calls import call
from tests.small_runs import COPY, ELMAN, SMALL

pytestmark = pytest.mark.thorough

_PREPARE = """
import sys
import rnnlab.sweeps.vectorized
from rnnlab.config.compose import compose
from rnnlab.ensemble.scheduler import StackedScheduler
from rnnlab.training.prepare import prepare

for name in ("plateau", "constant"):
    prepared = prepare(compose(["task=copy", "model=elman", f"scheduler={name}"]))
    scheduler = StackedScheduler(prepared.make_scheduler, [0.1, 0.2], 10, "min")
    scheduler.after_update()
    scheduler.after_validation([1.0, 2.0])
print(*{"lightning", "torch._dynamo"} & {*sys.modules})
"""


def test_a_group_is_made_without_lightning_and_torchs_compiler():
    done = subprocess.run([sys.executable, "-c", _PREPARE], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_optimizers_made_without_the_compiler_say_the_same_of_themselves():
    def settings() -> dict:
        parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(3))]
        return torch.optim.Adam(parameters, lr=0.5).state_dict()

    method = torch.optim.Optimizer.add_param_group
    with without_compiler():
        told = settings()
    assert told == settings()
    assert torch.optim.Optimizer.add_param_group is method


def test_a_metric_of_which_nobody_says_which_way_is_better_is_refused(monkeypatch):
    def with_wit(self, output, batch, known=Copy.metrics):
        return known(self, output, batch) | {"wit": Mean(torch.tensor(1.0), batch.mask.sum())}

    monkeypatch.setattr(Copy, "metrics", with_wit)
    with pytest.raises(ConfigError) as refused:
        prepare(compose([*ELMAN, *COPY]))
    assert str(refused.value) == (
        "Copy.higher_is_better must say whether higher values of wit are better, it has loss, "
        "accuracy, exact_match"
    )


def test_an_optimizer_that_looks_several_times_takes_one_batch_an_update():
    words = [*ELMAN, *COPY, "optimizer=lbfgs"]
    prepare(compose(words))
    with pytest.raises(ConfigError, match=r"trainer\.accumulate must be 1 with LBFGS, .* got 2"):
        prepare(compose([*words, "trainer.accumulate=2"]))


def test_the_direction_is_the_metrics_own_and_no_setting():
    with pytest.raises(ConfigError, match="mode is not a setting"):
        prepare(compose([*ELMAN, *COPY, "mode=max"]))
    for monitor, mode in (("val/loss", "min"), ("val/accuracy", "max")):
        assert prepare(compose([*ELMAN, *COPY, f"monitor={monitor}"])).experiment.mode == mode


def test_warnings_about_the_data_are_printed_before_training(tmp_path, capsys):
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"it is {n}\tn{n}\n" for n in range(40)), encoding="utf-8")
    words = [*ELMAN, *SMALL, "task=translation", f"task.path={file}", "task.max_clauses=null"]
    rnnlab.train([*words, f"output_dir={tmp_path}"])
    said = capsys.readouterr().err
    assert said.count("warning: 4 of the 4 words of targets in the val split never occur") == 1
    status, _, said = call(train.main, "rnnlab-train", *words, "dry_run=true")
    assert status == 0
    assert "warning: 4 of the 4 words of targets in the test split" in said
