"""Searches with Optuna: results, resuming after a kill, and training the best trial again."""

import os
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import OperationalError

from rnnlab.cli.train import main
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from rnnlab.sweeps.search import plan
from rnnlab.sweeps.search.trials import close_storage, open_storage, repair_journal
from rnnlab.training.module import SequenceModule
from tests.calls import PATIENCE
from tests.kills import Process
from tests.same import differing
from tests.small_runs import tiny

pytestmark = pytest.mark.thorough

OPTUNA = "hydra/sweeper=optuna"
RATE = "optimizer.lr=tag(log,interval(1e-3,1e-1))"
GROUPED = "hydra/launcher=vectorized"
Outcomes = list[tuple[int, dict[str, object], str, list[float] | None]]


@pytest.fixture
def search(sweep):
    """Return a function that searches with tiny runs; its keywords are keys of `hydra.sweeper`."""

    def start(*words: str, **settings: object) -> tuple[int, str, str]:
        out = {"out": settings.pop("out")} if "out" in settings else {}
        overrides = [f"hydra.sweeper.{key}={value}" for key, value in settings.items()]
        return sweep(OPTUNA, *overrides, *words, **out)

    return start


def runs(out: Path) -> dict[str, Run]:
    paths = sorted(path.parent for path in out.glob("sweeps/s/[!.]*/config.yaml"))
    return {path.name: Run.load(path) for path in paths}


def study(out: Path) -> optuna.Study:
    path = str(out / "sweeps/s/study.journal")
    return optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(path)))


def outcomes(out: Path) -> Outcomes:
    return [(t.number, t.params, t.state.name, t.values) for t in study(out).trials]


def test_a_search_leaves_ordinary_runs_and_its_best_trains_again_by_one_command(
    search, run_main, tmp_path
):
    status, out, err = search(RATE, "model.cell.hidden_size=interval(4,8)", n_trials=4)
    assert status == 0
    made = runs(tmp_path)
    assert len(made) == 4
    assert all("trial" not in run.config for run in made.values())
    assert all("trial" not in run.card["overrides"] for run in made.values())
    for trial in study(tmp_path).trials:
        run = made[trial.user_attrs["run"]]
        assert trial.values == [run.results["val"]["loss"]]
        assert trial.params["optimizer.lr"] == run.config.optimizer.lr
        assert trial.params["model.cell.hidden_size"] == run.config.model.cell.hidden_size
    best = made[study(tmp_path).best_trial.user_attrs["run"]]
    head, first, command, _, *counts = out.splitlines()
    assert head == "best of 4 trials"
    assert first.split()[:2] == [best.path.name, "trial"]
    assert counts == ["4 jobs: 4 finished", str(tmp_path / "sweeps/s")]
    assert err.count("\ntrial ") == 4

    words = command.partition("rnnlab-train ")[2].split()
    assert f"#   rnnlab-train {' '.join(words)}" in (best.path.parent / "best.yaml").read_text()
    status, out, _ = run_main(main, "rnnlab-train", *words)
    assert status == 0
    again = Run.load(out.splitlines()[-1])
    assert differing(best, again) == []
    assert again.config == best.config
    more = ["optimizer=adamw", "model=gru", "trainer.max_steps=1"]
    _, out, _ = run_main(main, "rnnlab-train", *words, *more)
    changed = Run.load(out.splitlines()[-1]).config
    assert changed.optimizer._target_ == "torch.optim.AdamW"
    assert changed.optimizer.lr == best.config.optimizer.lr


@pytest.mark.parametrize(
    "words",
    [
        ["model=seq2seq", "model@model.encoder=gru", "model/teacher_forcing=linear"],
        ["experiment=copy_lstm", "curriculum=linear", "data.curriculum.end=9", "scheduler=plateau"],
    ],
)
def test_the_best_trial_may_have_any_choices(run_main, tmp_path, words):
    size = (
        "model.encoder.cell.hidden_size" if "model=seq2seq" in words else "model.cell.hidden_size"
    )
    small = [word for word in tiny(tmp_path) if not word.startswith("model")]
    words = [*words, *small, "hydra.sweeper.n_trials=1", f"{size}=choice(4,5)", "sweep_name=s"]
    assert run_main(main, "rnnlab-train", "-m", OPTUNA, *words)[0] == 0
    (run,) = runs(tmp_path).values()
    place = ["--config-dir", str(run.path.parent), "--config-name", "best"]
    _, out, _ = run_main(main, "rnnlab-train", *place)
    assert differing(run, Run.load(out.splitlines()[-1])) == []


def test_the_same_command_trains_nothing_and_more_trials_end_as_in_one_search(search, tmp_path):
    words = [RATE, GROUPED]
    search(*words, n_trials=12, n_jobs=4, out=tmp_path / "whole")
    search(*words, n_trials=4, n_jobs=4, out=tmp_path / "parts")
    before = {name: run.card["ended"] for name, run in runs(tmp_path / "parts").items()}
    status, out, err = search(*words, n_trials=4, n_jobs=4, out=tmp_path / "parts")
    assert status == 0
    assert "best of 4 trials" in out
    assert "trial" not in err
    search(*words, n_trials=12, n_jobs=4, out=tmp_path / "parts")
    after = {name: run.card["ended"] for name, run in runs(tmp_path / "parts").items()}
    assert {name: after[name] for name in before} == before
    assert outcomes(tmp_path / "parts") == outcomes(tmp_path / "whole")
    assert len({str(params) for _, params, *_ in outcomes(tmp_path / "whole")}) == 12


SIZES = "model.cell.hidden_size=range(3,40)"


def test_trials_of_different_sizes_go_alone_and_it_is_said_what_would_join_them(search):
    _, _, err = search(RATE, SIZES, GROUPED, n_trials=3, n_jobs=3)
    said = "trials 0, 1, 2 go alone: no other run has the same model.cell.hidden_size"
    assert f"{said}; with hydra.sweeper.trials_per_shape=8 eight" in err
    _, _, err = search(RATE, SIZES, GROUPED, "sweep_name=t", n_trials=1)
    assert "trial 0 goes alone: it is the only one; with hydra.sweeper.n_jobs=8 eight" in err


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
def test_trials_in_a_row_share_a_size_and_train_as_one_model(search, tmp_path, sampler):
    settings = {"n_jobs": 5, "trials_per_shape": 3, "sampler": sampler}
    _, _, err = search(RATE, SIZES, GROUPED, n_trials=10, out=tmp_path / "whole", **settings)
    sizes = [params["model.cell.hidden_size"] for _, params, *_ in outcomes(tmp_path / "whole")]
    for first, last in ((0, 3), (3, 5), (5, 8), (8, 10)):  # the last of a batch are two
        assert len(set(sizes[first:last])) == 1
    assert len(set(sizes)) > 1
    assert len({params["optimizer.lr"] for _, params, *_ in outcomes(tmp_path / "whole")}) == 10
    assert "3 trials as one model: 0, 1, 2" in err
    assert "2 trials as one model: 8, 9" in err
    search(RATE, SIZES, GROUPED, n_trials=5, out=tmp_path / "parts", **settings)
    search(RATE, SIZES, GROUPED, n_trials=10, out=tmp_path / "parts", **settings)
    assert outcomes(tmp_path / "parts") == outcomes(tmp_path / "whole")


def test_a_grid_changes_sizes_last(search, tmp_path):
    grid = ["optimizer.lr=0.01,0.02", "model.cell.hidden_size=3,4", GROUPED]
    search(*grid, n_jobs=2, trials_per_shape=2, sampler="grid")
    sizes = [params["model.cell.hidden_size"] for _, params, *_ in outcomes(tmp_path)]
    assert sizes == ["3", "3", "4", "4"]


def test_a_batch_is_one_group(search, tmp_path):
    status, _, err = search(RATE, GROUPED, n_trials=6, n_jobs=3)
    assert status == 0
    assert "3 trials as one model: 0, 1, 2" in err
    assert "3 trials as one model: 3, 4, 5" in err
    assert {run.card["group"] for run in runs(tmp_path).values()} == {3}
    assert [state for *_, state, _ in outcomes(tmp_path)] == ["COMPLETE"] * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as POSIX does")
@pytest.mark.parametrize("launcher", ["basic", "vectorized"])
def test_a_search_that_is_killed_and_resumed_ends_as_one_that_is_not(tmp_path, launcher):
    settings = {"n_trials": 6, "n_jobs": 3, "pruner": "median"}
    words = ["-m", OPTUNA, RATE, "trainer.save_every=1", f"hydra/launcher={launcher}"]
    words += [f"hydra.sweeper.{key}={value}" for key, value in settings.items()]

    def go_on(place: Path, touch: int | None = None) -> int:
        out = place / "runs"
        process = Process([*words, *tiny(out, "sweep_name=s")], place, touch=touch)
        life = process.end()
        touches.append(len(life.touches))
        return life.status

    touches: list[int] = []
    assert go_on(tmp_path / "whole") == 0
    whole = touches[0]
    kills = 0
    # Two kills come early, while the study is made; then each start gets a part further.
    for touch in [2, 11, *[whole // 2] * 40]:
        if go_on(tmp_path / "parts", touch) == 0:
            break
        kills += 1
    assert kills > 3
    one, other = tmp_path / "whole/runs", tmp_path / "parts/runs"
    assert list(runs(other)) == list(runs(one))
    for before, after in zip(outcomes(one), outcomes(other), strict=True):
        assert after[:3] == before[:3]
        assert after[3] == pytest.approx(before[3], rel=1e-5)
    if launcher == "basic":
        assert outcomes(other) == outcomes(one)
        assert [differing(run, runs(other)[name]) for name, run in runs(one).items()] == [[]] * 6


def test_diverged_and_refused_trials_fail_and_stay_in_the_table(search, tmp_path):
    words = ["optimizer=sgd", "trainer.clip_norm=null", "model.cell.activation=relu"]
    words += ["optimizer.lr=0.1,1e6", "model.cell.hidden_size=0,4"]
    status, out, err = search(*words, sampler="grid")
    assert status == 3
    states = {tuple(p.values()): state for _, p, state, _ in outcomes(tmp_path)}
    assert states == {
        ("0.1", "0"): "FAIL",
        ("1000000.0", "0"): "FAIL",
        ("0.1", "4"): "COMPLETE",
        ("1000000.0", "4"): "FAIL",
    }
    assert "4 jobs: " in out
    status, again, err = search(*words, sampler="grid")
    assert status == 3
    assert again == out
    assert "trial" not in err


def test_settings_that_make_no_config_fail_their_trials_alone(run_main, tmp_path):
    small = [word for word in tiny(tmp_path, "sweep_name=s") if not word.startswith("model")]
    words = ["model=ar,elman", "model.cell.taps=1,2", "hydra.sweeper.sampler=grid"]
    status, out, _ = run_main(main, "rnnlab-train", "-m", OPTUNA, *small, *words)
    assert status == 2
    assert [state for *_, state, _ in outcomes(tmp_path)] == ["COMPLETE"] * 2 + ["FAIL"] * 2
    assert "model.cell.taps is not a setting" in out
    assert "sweep_name=" not in out


def test_a_trial_that_met_a_bug_is_run_again_by_the_same_command(search, tmp_path, monkeypatch):
    step = SequenceModule.training_step

    def broken(module, batch, index):
        if len(runs(tmp_path)) == 2:
            raise RuntimeError("a bug")
        return step(module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(SequenceModule, "training_step", broken)
        status, out, _ = search(RATE, n_trials=3)
    assert status == 1
    assert "RuntimeError: a bug" in out
    assert [state for *_, state, _ in outcomes(tmp_path)] == ["COMPLETE", "RUNNING", "COMPLETE"]
    before = {name: run.card["ended"] for name, run in runs(tmp_path).items()}
    assert search(RATE, n_trials=3)[0] == 0
    assert [state for *_, state, _ in outcomes(tmp_path)] == ["COMPLETE"] * 3
    after = {name: run.card["ended"] for name, run in runs(tmp_path).items()}
    assert sum(after[name] == before[name] for name in before) == 2


def test_a_search_may_stop_at_the_first_failure(search, tmp_path):
    words = ["model.cell.hidden_size=4,0,5", "on_error=stop"]
    assert search(*words, sampler="grid")[0] == 2
    assert [state for *_, state, _ in outcomes(tmp_path)] == ["COMPLETE", "FAIL"]
    search(*words, sampler="grid")
    assert [state for *_, state, _ in outcomes(tmp_path)] == ["COMPLETE", "FAIL", "COMPLETE"]


def test_of_several_objectives_the_pareto_front_is_printed(search, tmp_path):
    goals = {"objective": "[val/loss,parameters]"}
    words = ["model.cell.hidden_size=2,4,8", "optimizer.lr=1e-5,0.1"]
    status, out, _ = search(*words, sampler="grid", **goals)
    assert status == 0
    front = {trial.number for trial in study(tmp_path).best_trials}
    assert 1 < len(front) < 6
    rows = [line for line in out.splitlines() if re.match(r"  \S+  trial", line)]
    assert {int(row.split()[2]) for row in rows} == front
    values = [float(row.split()[4].rstrip(",")) for row in rows]
    assert values == sorted(values)
    assert rows[0].split()[0] in (tmp_path / "sweeps/s/best.yaml").read_text().splitlines()[0]
    _, out, _ = search(*words, sampler="grid", **goals)
    assert [line for line in out.splitlines() if line in rows] == rows


def test_an_objective_may_be_maximized(search, tmp_path):
    words = ["optimizer.lr=1e-5,0.1", "trainer.max_steps=40", "trainer.val_every=40"]
    search(*words, "monitor=val/accuracy", sampler="grid")
    best = study(tmp_path).best_trial
    assert best.params == {"optimizer.lr": "0.1"}
    assert best.user_attrs["run"] in (tmp_path / "sweeps/s/best.yaml").read_text()


def test_a_grid_is_done_in_its_order_once(search, tmp_path):
    words = ["seed=range(3)", "optimizer.lr=0.01,0.02"]
    search(*words, sampler="grid", n_trials=4)
    search(*words, sampler="grid", n_trials=99)
    done = [tuple(params.values()) for _, params, *_ in outcomes(tmp_path)]
    assert done == [(seed, rate) for seed in range(3) for rate in ("0.01", "0.02")]


def test_equal_trials_are_one_run(search, tmp_path):
    status, _, _ = search("optimizer.lr=0.01,0.02", GROUPED, sampler="random", n_trials=6, n_jobs=6)
    assert status == 0
    assert len(runs(tmp_path)) == 2
    values = {params["optimizer.lr"]: value for _, params, _, (value,) in outcomes(tmp_path)}
    assert all(values[params["optimizer.lr"]] == v for _, params, _, (v,) in outcomes(tmp_path))


@pytest.mark.parametrize("sampler", ["random", "cmaes"])
def test_other_samplers_search_too(search, tmp_path, sampler):
    words = [RATE, "optimizer.weight_decay=interval(0,0.1)"]
    assert search(*words, sampler=sampler, n_trials=3)[0] == 0
    assert search(*words, sampler=sampler, n_trials=6)[0] == 0
    assert len(runs(tmp_path)) == 6


def test_a_database_keeps_a_search_as_well(search, tmp_path):
    storage = f"sqlite:///{tmp_path}/a.db"
    for n_trials in (4, 8):
        settings = {"storage": storage, "pruner": "median", "n_trials": n_trials, "n_jobs": 4}
        assert search(RATE, GROUPED, **settings)[0] == 0
    kept = optuna.load_study(study_name="s", storage=storage)
    assert len(kept.trials) == len(runs(tmp_path)) == 8
    assert not (tmp_path / "sweeps/s/study.journal").exists()
    kept._storage._backend.engine.dispose()


def test_searches_begun_at_once_share_a_new_database(tmp_path):
    script = str(Path(__file__).parents[3] / "scripts/train.py")
    words = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", RATE]
    storage = f"hydra.sweeper.storage=sqlite:///{tmp_path}/a.db"
    begun = [
        subprocess.Popen(
            [sys.executable, script, "-m", *tiny(tmp_path), *words, storage, f"sweep_name=s{n}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for process in begun:
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err


def test_opening_a_database_waits_for_another_process_to_create_it(tmp_path, monkeypatch):
    refusals = ["table studies already exists", "UNIQUE constraint failed"]

    def make(place: str) -> RDBStorage:
        if refusals:
            raise OperationalError("CREATE TABLE", None, Exception(refusals.pop()))
        return RDBStorage(place)

    monkeypatch.setattr("optuna.storages.RDBStorage", make)
    close_storage(open_storage(f"sqlite:///{tmp_path}/a.db"))
    assert not refusals
    with pytest.raises(
        ConfigError, match=r"hydra.sweeper.storage=sqlite:////no/a.db can't be used"
    ):
        open_storage("sqlite:////no/a.db")


def test_a_named_sweep_may_set_the_search_space(search, tmp_path):
    words = "{optimizer.lr:'choice(0.01,0.02)',task.delay:2}"
    assert search("task.delay=1", sampler="grid", params=words)[0] == 0
    assert {run.config.optimizer.lr for run in runs(tmp_path).values()} == {0.01, 0.02}
    assert {run.config.task.delay for run in runs(tmp_path).values()} == {1}


def test_a_dry_run_says_what_would_be_searched_and_writes_nothing(search, tmp_path):
    words = [RATE, "model.cell.hidden_size=4,8", "dry_run=true"]
    status, out, _ = search(*words, n_trials=7, n_jobs=3, pruner="asha")
    assert status == 0
    assert out.splitlines()[:4] == [
        "search minimize val/loss",
        "  optimizer.lr            0.001 to 0.1, log",
        "  model.cell.hidden_size  4, 8",
        "7 trials in all, 3 at once, sampler tpe, pruner asha",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sampler=best"], "hydra.sweeper.sampler must be one of tpe, random, cmaes or grid"),
        (["pruner=some"], "hydra.sweeper.pruner must be one of none, median or asha"),
        (["n_trials=0"], "hydra.sweeper.n_trials must be 1 or more, got 0"),
        (["n_jobs=many"], "hydra.sweeper.n_jobs must be a whole number, got 'many'"),
        (["trials=5"], "hydra.sweeper.trials can't be that"),
        (["trials_per_shape=2"], "trials_per_shape=2 are of one batch: it must be at most"),
        (
            ["trials_per_shape=2", "n_jobs=2", "/optimizer.lr=0.1", "/model.cell.hidden_size=4,5"],
            "would make equal trials, since in model.cell.hidden_size members of a group can't",
        ),
        (["objective=val/nothing"], "hydra.sweeper.objective must be of val/loss, "),
        (["objective=test/loss"], "hydra.sweeper.objective must be of val/loss, "),
        (["objective=[val/loss,val/loss]"], "objective must be different ones, got val/loss, val"),
        (["objective=parameters", "pruner=asha"], "needs one objective of"),
        (["sampler=grid"], "sampler=grid takes choices and ranges, got optimizer.lr=0.001 to 0.1"),
        (["sampler=cmaes"], "hydra.sweeper.sampler=cmaes takes two or more numbers, got 1"),
        (["storage=a.db"], "hydra.sweeper.storage must be an address such as sqlite:///search.db"),
        (["storage=sqlite:////no/such/place.db"], "can't be used: (sqlite3.OperationalError)"),
        (["storage=mine://place"], "hydra.sweeper.storage=mine://place can't be used"),
        (["/model=interval(0,1)"], "model=interval(0,1): model is one of ar, ar_ffn, ctrnn"),
        (["/optimizer.lrr=interval(0,1)"], "optimizer.lrr is not a setting: did you mean"),
        (["/trainer.max_step=3"], "trainer.max_step is not a setting: did you mean"),
        (["/monitor=val/nothing"], "monitor must be one of val/loss"),
        (["/data.batch_size=0"], "data.batch_size must be 1 or more, got 0"),
        (["/trainer.devices=2", "/trainer.strategy=ddp"], "trains a trial on one device"),
        (["/trial={number:1}"], "trial can't be given"),
        (["/trial=1"], "trial can't be given"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(search, tmp_path, words, message):
    typed = [w[1:] if w.startswith("/") else f"hydra.sweeper.{w}" for w in words]
    status, out, err = search(RATE, *typed)
    assert status == 2
    assert out == ""
    assert re.fullmatch(r"rnnlab-train: .*\n", err)
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_search_is_a_mistake(search, tmp_path):
    status, _, err = search("optimizer.lr=0.1")
    assert status == 2
    assert err.startswith("rnnlab-train: there is nothing to search")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_can_not_be_set_outside_a_search(run_main, tmp_path):
    status, _, err = run_main(main, "rnnlab-train", *tiny(tmp_path), "trial=1")
    assert status == 2
    assert "trial can't be given" in err


def test_another_search_of_the_same_name_is_refused(search, tmp_path):
    search(RATE, n_trials=1)
    before = outcomes(tmp_path)
    status, _, err = search("optimizer.lr=0.1,0.2", "seed=3", n_trials=2)
    assert status == 2
    assert "optimizer.lr was 0.001 to 0.1, log, is 0.1, 0.2; seed was not given, is seed=3" in err
    assert "take another sweep_name" in err
    assert outcomes(tmp_path) == before


def test_a_second_process_can_not_join_a_search(search, tmp_path):
    search(RATE, n_trials=1)
    with FileLock(tmp_path / "sweeps/s/.search.lock"):
        status, _, err = search(RATE, n_trials=2)
    assert status == 2
    assert "is being searched by another process" in err
    assert len(outcomes(tmp_path)) == 1


def test_an_incomplete_last_line_of_the_journal_is_removed(search, tmp_path, capsys):
    search(RATE, n_trials=2)
    whole, journal = outcomes(tmp_path), tmp_path / "sweeps/s/study.journal"
    lines = journal.read_bytes()
    journal.write_bytes(lines + b'{"op_code":4,"wor')
    repair_journal(journal)
    assert journal.read_bytes() == lines
    assert "ended within a line" in capsys.readouterr().err
    repair_journal(journal)
    assert capsys.readouterr().err == ""
    assert outcomes(tmp_path) == whole


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"space":', '"spice":', "space is missing"),
        ('"run":"', '"run":"../../', "run must be"),
        ('"run":"', '"failure":"', "failure must be"),
        ("{", "", "can't be used"),
    ],
)
def test_a_journal_that_was_tampered_with_is_refused(search, tmp_path, old, new, why):
    search(RATE, n_trials=2)
    journal = tmp_path / "sweeps/s/study.journal"
    journal.write_text(journal.read_text().replace(old, new))
    names = sorted(path.name for path in tmp_path.rglob("*"))
    status, out, err = search(RATE, n_trials=3)
    assert (status, out) == (2, "")
    assert why in err
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == names


def test_a_run_whose_results_are_damaged_is_a_trial_that_failed(search, tmp_path):
    search(RATE, n_trials=2)
    (tmp_path / "sweeps/s/study.journal").unlink()
    best = min(runs(tmp_path).values(), key=lambda run: run.results["val"]["loss"])
    best.file("results.json").write_text("{")
    status, out, err = search(RATE, n_trials=3)
    assert status == 2
    assert "best of 3 trials" in out
    assert f"{best.path.name}  refused" in out
    assert "results.json is damaged" in err + out


def test_a_best_run_whose_config_is_damaged_ends_no_search(search, tmp_path):
    search(RATE, n_trials=2)
    best = min(runs(tmp_path).values(), key=lambda run: run.results["val"]["loss"])
    best.file("config.yaml").write_text("[")
    status, out, err = search(RATE, n_trials=3)
    assert status == 0
    assert "best.yaml stays as it was: " in err
    assert "best of 3 trials" in out
    assert "3 jobs: " in out


def test_without_optuna_the_error_says_how_to_install_it(search, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "find_spec", lambda name: None if name == "cmaes" else plan)
    status, _, err = search(RATE)
    assert status == 2
    last = "hydra/sweeper=optuna needs Optuna: pip install 'rnnlab[optuna]'"
    assert err == f"rnnlab-train: {last}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_plain_sweep_does_not_import_optuna(tmp_path):
    code = (
        "import sys\n"
        "from rnnlab.cli.train import main\n"
        "main()\n"
        "assert not {'optuna', 'sqlalchemy'} & {*sys.modules}"
    )
    words = ["-m", *tiny(tmp_path), "seed=0,1", "dry_run=true"]
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)
