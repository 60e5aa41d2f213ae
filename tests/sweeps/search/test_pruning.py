"""Pruning stops trials, alone and in groups, and their runs can be resumed."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import rnnlab
from rnnlab.runs.run import Run
from rnnlab.sweeps.search.trials import TrialPruner, TrialRef, make_pruner, open_storage
from tests.sweeps.search.test_search import GROUPED, OPTUNA, runs, study

pytestmark = pytest.mark.thorough

MEDIAN = ["hydra.sweeper.sampler=grid", "hydra.sweeper.pruner=median"]
LONG = ["trainer.max_steps=12", "trainer.val_every=4", "task.length=1"]


def by_state(out: Path, state: str) -> dict[str, Run]:
    made = runs(out)
    trials = study(out).get_trials(states=(TrialState[state],))
    return {trial.params["optimizer.lr"]: made[trial.user_attrs["run"]] for trial in trials}


def test_a_trial_worse_than_the_median_is_pruned_and_can_be_resumed(sweep, tmp_path):
    words = [*LONG, "optimizer.lr=0.1,0.08,0.06,0.04,0.02,1e-5,1e-6"]
    code, out, err = sweep(OPTUNA, *MEDIAN, *words)
    assert code == 0
    assert "7 jobs: 5 finished, 2 pruned" in out
    assert "trial 5: pruned  optimizer.lr=1e-05" in err
    pruned = by_state(tmp_path, "PRUNED")
    assert {*pruned} == {"1e-05", "1e-06"}
    run = pruned["1e-05"]
    assert run.card["status"] == "pruned"
    assert run.card["sessions"][-1]["last_step"] == 4
    assert not run.file("results.json").exists()
    (trial,) = (t for t in study(tmp_path).trials if t.user_attrs["run"] == run.path.name)
    assert trial.intermediate_values == {4: run.curve[-1]["val/loss"]}

    ended = run.card["ended"]
    sweep(OPTUNA, *MEDIAN, *words)
    assert run.card["ended"] == ended
    rnnlab.resume(run.path)
    assert run.status == "finished"
    assert run.results["steps"] == 12
    assert sweep(*words)[0] == 0  # a plain sweep wants them all
    assert {run.status for run in runs(tmp_path).values()} == {"finished"}


def test_a_pruned_member_leaves_the_stack_and_the_others_go_on(sweep, tmp_path):
    rates = "optimizer.lr=0.1,0.07,0.09,0.05,0.08,0.06,0.04,0.02,0.03,1e-5,1e-6"
    words = [*MEDIAN, *LONG, "hydra.sweeper.n_jobs=4", rates]
    for name, launcher in {"alone": [], "grouped": [GROUPED]}.items():
        assert sweep(OPTUNA, *words, *launcher, out=tmp_path / name)[0] == 0
    alone, grouped = tmp_path / "alone", tmp_path / "grouped"
    pruned = by_state(grouped, "PRUNED")
    assert {"1e-05", "1e-06"} <= {*pruned}
    assert {*pruned} == {*by_state(alone, "PRUNED")}
    assert all(run.card["group"] == 3 for run in pruned.values())
    for rate, run in by_state(alone, "COMPLETE").items():
        other = by_state(grouped, "COMPLETE")[rate]
        assert other.results["val"]["loss"] == pytest.approx(run.results["val"]["loss"], abs=1e-4)
    one = pruned["1e-05"]
    rnnlab.resume(one.path)
    assert one.status == "finished"


@pytest.fixture
def trials(tmp_path):
    """Four running trials, and five that ended with 1 to 5, after 10 to 50 at step 10."""
    place = str(tmp_path / "study.journal")
    kept = optuna.create_study(study_name="s", storage=open_storage(place))
    ask = [kept.ask().number for _ in range(4)]
    for n in range(1, 6):
        kept.add_trial(
            create_trial(state=TrialState.COMPLETE, value=n, intermediate_values={10: n * 10.0})
        )
    return {f"run{n}": TrialRef(n, place, "s", "median", "val/loss") for n in ask}


def test_the_median_pruner_compares_with_trials_that_have_ended(trials):
    losses = {"run0": 31.0, "run1": 30.0, "run2": 1.0, "run3": 99.0}
    scores = {name: {"val/loss": loss, "val/other": -loss} for name, loss in losses.items()}
    assert TrialPruner(trials, 10)(10, scores) == {"run0", "run3"}


@pytest.mark.parametrize("losses", [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
def test_of_four_side_by_side_halving_keeps_the_best_whatever_their_order(trials, losses):
    asha = {
        name: TrialRef(t.number, t.storage, "s", "asha", "val/loss") for name, t in trials.items()
    }
    scores = {name: {"val/loss": n} for name, n in zip(asha, losses, strict=True)}
    best = min(scores, key=lambda name: scores[name]["val/loss"])
    assert TrialPruner(asha, 10)(9, scores) == set()
    assert TrialPruner(asha, 10)(10, scores) == {*asha} - {best}


def test_a_search_without_pruning_has_no_pruner():
    assert make_pruner({"a": None, "b": TrialRef(0, "nowhere", "s", "none", "val/loss")}, 1) is None


def test_a_reference_to_a_trial_survives_the_command_line():
    from rnnlab.config.overrides import parse_override

    trial = TrialRef(3, "sqlite:////a 'b'/c,{d}.db", "s-1", "asha", "val/loss")
    assert TrialRef.read(parse_override(trial.override()).value()) == trial
