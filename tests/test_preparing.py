"""What a group of runs loads before it trains."""

import subprocess
import sys

import torch

from rnnlab.preparing import without_compiler

_PREPARE = """
import sys
import rnnlab.sweep.grouped
from rnnlab.compose import compose
from rnnlab.ensemble.rates import Rates
from rnnlab.preparing import prepare

for name in ("plateau", "constant"):
    prepared = prepare(compose(["task=copy", "model=elman", f"scheduler={name}"]))
    rates = Rates(prepared.make_scheduler, [0.1, 0.2], 10, "min")
    rates.after_update()
    rates.after_validation([1.0, 2.0])
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
