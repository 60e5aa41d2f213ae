"""`--config-dir DIR`: configs of one's own are known like ours, in errors, lists and sweeps."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rnnlab.cli import list as listing
from rnnlab.cli import train
from rnnlab.config.catalogue import describe
from rnnlab.config.sources import config_directory
from rnnlab.runs.run import Run
from tests.small_runs import COPY, ELMAN, tiny

FILES = {
    "experiment/mine.yaml": """# @package _global_
# A pair of my own.
defaults:
  - override /model: own_elman
  - override /task: copy
task: {length: 3}
""",
    "sweep/mine.yaml": """# @package _global_
# A sweep of my own.
hydra:
  sweeper:
    params:
      seed: 0,1
""",
    "sweep/older.yaml": """# @package _global_
hydra: {mode: MULTIRUN, sweeper: {params: {seed: '2'}}}
""",
    "hydra/launcher/two.yaml": "defaults: [joblib]\nn_jobs: 2\n",
    "best.yaml": "defaults: [train, _self_]\nseed: 5\n",
}
SWEEPS = ", ".join(sorted([*describe("sweep"), "mine", "older"]))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    model = tmp_path / "conf/model/own_elman.yaml"
    model.parent.mkdir()
    text = (config_directory() / "model/elman.yaml").read_text()
    model.write_text(text.replace("dropout: 0.0", "dropout: 0.25"))
    return tmp_path / "conf"


@pytest.fixture
def call(run_main, conf, tmp_path):
    """Call rnnlab-train with words that write there, and the directory of configs last."""

    def call(*words: str) -> tuple[int, str, str]:
        place = [f"output_dir={tmp_path / 'out'}", "--config-dir", str(conf)]
        return run_main(train.main, "rnnlab-train", *words, *place)

    return call


def test_a_typo_beside_an_own_choice_is_reported(call):
    assert call("experiment=mine", "sed=1") == (
        2,
        "",
        "rnnlab-train: sed is not a setting: did you mean seed?\n",
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("experiment=mien", "experiment=mien doesn't exist: did you mean mine?; experiment is"),
        ("sweep=mien", f"did you mean mine?; sweep is one of {SWEEPS}"),
        ("model=own_elmann", "model=own_elmann doesn't exist: did you mean own_elman?"),
        ("hydra/launcher=tow", "hydra/launcher=tow doesn't exist: did you mean two?"),
    ],
)
def test_a_mistyped_choice_is_answered_with_the_own_one(call, tmp_path, word, said):
    status, out, err = call(word, "-m")
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_an_own_choice_of_all_jobs_hides_no_typo(call):
    status, out, err = call("-m", "experiment=mine,copy_lstm", "task.dely=1", "hydra/launcher=two")
    assert (status, out) == (2, "")
    assert err == "rnnlab-train: task.dely is not a setting: did you mean task.delay?\n"


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "jobs"), [("mine", 2), ("older", 1)])
def test_an_own_sweep_is_a_sweep(call, tmp_path, name, jobs):
    status, out, err = call(f"sweep={name}", *ELMAN, *COPY)
    assert status == 0, err
    assert out.splitlines()[-2:] == [
        f"{jobs} jobs: {jobs} finished",
        str(tmp_path / "out/sweeps" / name),
    ]


def test_a_sweep_is_where_the_experiment_of_its_jobs_says(conf, run_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = f"# @package _global_\noutput_dir: {tmp_path / 'there'}\nsweep_name: called\n"
    (conf / "experiment/placed.yaml").write_text(text)
    words = ["-m", "experiment=placed", "seed=0,1", *ELMAN, *COPY, "--config-dir", str(conf)]
    status, out, err = run_main(train.main, "rnnlab-train", *words)
    assert status == 0, err
    assert out.splitlines()[-2:] == ["2 jobs: 2 finished", str(tmp_path / "there/sweeps/called")]
    assert not (tmp_path / "outputs").exists()


@pytest.mark.thorough
def test_an_own_launcher_is_made_from_ours(call):
    status, out, err = call("-m", "seed=0,1", "dry_run=true", "hydra/launcher=two", *ELMAN, *COPY)
    assert status == 0, err
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["train", "train"]


def test_an_own_first_config_is_known_in_errors(call):
    status, _, err = call("--config-name", "best", "experiment=mine", "sed=1")
    assert (status, err) == (2, "rnnlab-train: sed is not a setting: did you mean seed?\n")


@pytest.mark.thorough
def test_a_search_among_own_configs_leaves_a_best_one_that_trains_again(call, tmp_path, run_main):
    pytest.importorskip("optuna")
    search = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "sweep_name=s"]
    small = [word for word in COPY if not word.startswith("task")]
    status, _, err = call(*search, "experiment=mine", "seed=3,4", *small)
    assert status == 0, err
    place = ["--config-dir", str(tmp_path / "out/sweeps/s"), "--config-name", "best"]
    status, out, err = run_main(train.main, "rnnlab-train", *place)
    assert status == 0, err
    run = Run.load(out.splitlines()[-1])
    assert run.config.choices.model == "own_elman"
    assert run.config.model.dropout == 0.25


@pytest.mark.thorough
def test_a_run_of_an_own_model_is_begun_from_with_its_configs_alone(call, tmp_path, run_main):
    status, out, err = call("model=own_elman", "model.cell.hidden_size=8", *COPY)
    assert status == 0, err
    begin = [f"init_from={out.splitlines()[-1]}", *COPY[3:], "dry_run=true"]
    assert call(*begin)[0] == 0
    status, out, err = run_main(train.main, "rnnlab-train", *begin, f"output_dir={tmp_path}")
    assert (status, out) == (2, "")
    assert err == (
        "rnnlab-train: init_from: model=own_elman task=copy of its run can't be chosen here; a run "
        "of configs of your own needs them again: --config-dir DIR\n"
    )


@pytest.mark.thorough
def test_overrides_add_to_the_search_path_too(run_main, conf, tmp_path):
    words = [f"hydra.searchpath=[file://{conf}]", "experiment=mine", f"output_dir={tmp_path}"]
    status, _, err = run_main(train.main, "rnnlab-train", *words, "sed=1")
    assert (status, err) == (2, "rnnlab-train: sed is not a setting: did you mean seed?\n")
    status, out, err = run_main(train.main, "rnnlab-train", *words, "sweep=mine", "dry_run=true")
    assert status == 0, err
    assert out.splitlines()[-1] == str(tmp_path / "sweeps/mine")


def test_an_own_config_that_would_never_be_read_is_refused(call, conf, tmp_path):
    ours = config_directory() / "experiment/copy_lstm.yaml"
    own = conf / "experiment/copy_lstm.yaml"
    own.write_bytes(ours.read_bytes())
    assert call("experiment=copy_lstm", "dry_run=true")[0] == 0
    own.write_text(OmegaConf.to_yaml(OmegaConf.load(ours)) + "seed: 9\n")
    status, out, err = call("seed=1")
    assert (status, out) == (2, "")
    assert err == (
        f"rnnlab-train: {own} has the name of a config of rnnlab's, which is read in its place: "
        "give it another name\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("main", [train.main, listing.main])
def test_a_directory_that_is_not_there_is_a_line(run_main, tmp_path, main):
    status, out, err = run_main(main, "command", "--config-dir", str(tmp_path / "no"))
    assert (status, out) == (2, "")
    assert err.endswith(f": --config-dir must be a directory, got {tmp_path / 'no'}\n")


def test_another_directory_of_rnnlabs_configs_is_refused_in_a_line(run_main, conf, tmp_path):
    words = tiny(tmp_path / "out")
    status, out, err = run_main(train.main, "rnnlab-train", "--config-path", str(conf), *words)
    assert (status, out) == (2, "")
    assert err == (
        "rnnlab-train: --config-path can't be set, for rnnlab needs its own configs: "
        "--config-dir DIR adds yours to them\n"
    )


def test_help_shows_own_choices(call):
    status, out, _ = call("--help")
    assert status == 0
    assert f"sweep: {SWEEPS}" in out


@pytest.mark.parametrize("option", ["--config-dir {}", "--config-dir={}", "-cd {}"])
def test_own_configs_are_listed(run_main, conf, option):
    words = option.format(conf).split()
    status, out, err = run_main(listing.main, "rnnlab-list", *words, "experiments", "sweeps")
    assert (status, err) == (0, "")
    listed = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["mine", "A pair of my own."] in listed
    assert ["mine", "A sweep of my own."] in listed
    assert ["older"] in listed
    assert run_main(listing.main, "rnnlab-list", *words, "pairs")[0] == 0


def test_an_own_config_that_cannot_be_read_is_a_line(run_main, conf):
    (conf / "experiment/broken.yaml").write_text("a: [\n")
    (conf / "sweep/broken.yaml").write_bytes(b"\xff")
    for group in ("pairs", "sweeps"):
        status, _, err = run_main(listing.main, "rnnlab-list", f"--config-dir={conf}", group)
        assert status == 2
        assert "broken.yaml" in err
        assert len(err.splitlines()) == 1


def test_a_list_without_its_directory_is_refused(run_main):
    status, _, err = run_main(listing.main, "rnnlab-list", "models", "--config-dir")
    assert (status, err) == (2, "rnnlab-list: --config-dir takes a directory\n")
