"""Whatever happens inside, the process is afterwards as it was."""

import logging
import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from rnnlab.process.untouched import process_untouched
from tests.calls import PATIENCE
from tests.process.test_global_state import of_process
from tests.small_runs import tiny


def spoil() -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("matplotlib").setLevel(logging.DEBUG)
    os.environ["SPOILT"] = "yes"
    os.environ.pop("HOME", None)
    os.chdir("/")
    sys.argv[:] = ["spoilt"]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_restored_also_when_it_fails(fails, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = of_process()

    @process_untouched()
    def call() -> int:
        spoil()
        if fails:
            raise ValueError
        return 3

    if fails:
        with pytest.raises(ValueError):  # noqa: PT011
            call()
    else:
        assert call() == 3
    after = of_process()
    assert {name for name, value in after.items() if value != before[name]} == set()


FRESH = """
import logging, os, random, signal, sys, warnings
import numpy as np
import rnnlab

def state():
    return (
        list(warnings.filters), dict(os.environ), os.getcwd(), random.getstate(),
        repr(np.random.get_state()), [signal.getsignal(n) for n in signal.valid_signals()],
        logging.getLogger().handlers[:], logging.getLogger().level, sys.argv[:],
    )

rnnlab.train, rnnlab.evaluate, rnnlab.sweep  # what these modules import filters nothing
before = state()
run = rnnlab.train(sys.argv[1:])
assert state() == before, "train"
rnnlab.evaluate(run), rnnlab.sample(run)
assert state() == before, "evaluate, sample"
run._repr_html_()
sweep = rnnlab.sweep(sys.argv[1:], seed=[0, 1])
rnnlab.report(sweep)
assert state() == before, "sweep, report"
import torch
drawn = torch.rand(3)
torch.manual_seed(torch.initial_seed())
assert drawn.equal(torch.rand(3)), "torch"
"""


@pytest.mark.thorough
def test_what_libraries_change_when_they_are_first_imported_is_restored_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *tiny(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
