"""`rnnlab-train`: the last line is the directory; a mistake is status 2 and leaves nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnnlab.cli.train import main
from rnnlab.runs.run import Run
from tests.dear import dear_but
from tests.small_runs import tiny, tiny_text

ROOT = Path(__file__).parents[2]


@pytest.fixture
def call(run_main):
    """Run the command here; gives status, standard output and standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        return run_main(main, "rnnlab-train", *words)

    return run


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def script(name: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)


def test_a_run_from_the_shell_ends_with_its_directory(place):
    done = script("train", "model=elman", "task=copy", "debug=smoke", cwd=place)
    assert done.returncode == 0, done.stderr
    run = Run.load(place / done.stdout.splitlines()[-1])
    assert run.card["status"] == "finished"
    assert run.card["command"] == ["train.py", "model=elman", "task=copy", "debug=smoke"]
    assert "Warning" not in done.stderr
    assert [path.name for path in place.iterdir()] == ["outputs"]


def test_a_mistake_from_the_shell_is_one_line_and_status_2(place):
    done = script("train", "model=elman", "task=copy", "task.lenght=3", cwd=place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "rnnlab-train: task.lenght is not a setting: did you mean task.length?\n"
    )
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "words", dear_but([["--help"]], [["--help"], ["--cfg", "job"], ["seed=", "sed=3"]])
)
def test_help_config_and_typos_are_answered_without_torch(place, words):
    code = f"""
import sys
from rnnlab.cli.train import main
sys.argv = ["rnnlab-train", "task=copy", *{words}]
try:
    main()
finally:
    loaded = {{"torch", "lightning", "pydantic.main"}} & set(sys.modules)
    print("loaded:", sorted(loaded - {{"pydantic.main"}}), file=sys.stderr)
"""
    done = python(code, place)
    assert done.returncode == (2 if "sed=3" in words else 0)
    assert "loaded: []" in done.stderr
    assert list(place.iterdir()) == []


@pytest.mark.thorough
def test_a_plain_run_imports_nothing_of_sweeps(place):
    code = """
import sys
from rnnlab.cli.train import main
sys.argv = ["rnnlab-train", "dry_run=true"]
main()
print([name for name in sys.modules if name.startswith("rnnlab.sweeps")])
"""
    assert python(code, place).stdout.splitlines()[-1] == "[]"


def test_the_last_line_is_the_directory_and_the_report_comes_before(call, tmp_path):
    status, out, _ = call(*tiny(tmp_path))
    assert status == 0
    run = Run.load(out.splitlines()[-1])
    assert f"{run.results['test']['loss']:.4g}" in out
    assert run.path.parent == tmp_path / "copy" / "elman"


def test_the_config_is_printed_and_nothing_is_run(call, place):
    status, out, _ = call("--cfg", "job", "task=copy", "task.delay=7")
    assert status == 0
    assert "  delay: 7\n" in out
    assert list(place.iterdir()) == []


def test_help_names_groups_settings_and_examples(call, place):
    status, out, _ = call("--help")
    assert status == 0
    for word in ("usage: rnnlab-train", "copy_reverse", "max_steps: 2000", "rnnlab-evaluate"):
        assert word in out
    assert list(place.iterdir()) == []


TEXTS = {
    "missing.txt": None,
    "empty.txt": b"",
    "one.txt": b"x",
    "short.txt": b"abc def\n",
    "binary.txt": bytes(range(256)) * 8,
}
TABLES = {
    "missing.tsv": None,
    "empty.tsv": b"",
    "untabbed.tsv": b"a b\n" * 30,
    "binary.tsv": bytes(range(128, 256)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_cannot_be_learnt_from_is_named(call, place, tmp_path, name):
    path = tmp_path / name
    if TEXTS[name] is not None:
        path.write_bytes(TEXTS[name])
    words = [word for word in tiny_text(tmp_path / "text") if not word.startswith("task.path")]
    words = [word for word in words if not word.startswith("output_dir")]
    status, out, err = call(*words, f"task.path={path}")
    assert status == 2
    assert out == ""
    assert err.startswith("rnnlab-train: task.path must be a ")
    assert len(err.splitlines()) == 1
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_pairs_that_cannot_be_learnt_from_is_named(call, place, tmp_path, name):
    path = tmp_path / name
    if TABLES[name] is not None:
        path.write_bytes(TABLES[name])
    status, out, err = call(
        "task=translation", "task.max_clauses=null", f"task.path={path}", "debug=smoke"
    )
    assert status == 2
    assert out == ""
    assert err.startswith("rnnlab-train: task.path")
    assert name in err
    assert len(err.splitlines()) == 1
    assert list(place.iterdir()) == []


MISTAKES = [
    (["model.cell.hiden_size=3"], "did you mean model.cell.hidden_size?"),
    (["+model.cell.foo=3"], "model.cell.foo is not a setting"),
    (["~optimizer"], "optimizer is missing"),
    (["resum=outputs"], "did you mean resume?"),
    (["seed=x", "task.delay=-1"], "seed must be a whole number, got 'x'"),
    (["model=lstmm"], "did you mean lstm?"),
    (["experiment=nothing"], "experiment=nothing doesn't exist"),
    (["monitor=val/nothing"], "monitor must be one of val/loss"),
    (["model=jordan", "model.dropout=0.5"], "model.dropout must be 0 with one layer"),
    (["hydra.run.dir=foo"], "hydra.run.dir can't be set: output_dir says where"),
    (["hydra.job.chdir=true"], "hydra.job.chdir can't be set"),
    (["hydra.job={chdir:true}"], "hydra.job can't be set: output_dir says where"),
    (["++hydra.run={dir:foo}"], "hydra.run can't be set: output_dir says where"),
    (["-m", "seed=1,2", "hydra.sweep.dir=foo"], "hydra.sweep.dir can't be set"),
    (["trainer.precision=16-mixed"], "trainer.precision=16-mixed needs trainer=gpu"),
    (
        ["task._target_=os.system"],
        "task._target_ must name a kind of Task in rnnlab, got os.system",
    ),
]


@pytest.mark.parametrize(("words", "said"), dear_but(MISTAKES[::2], MISTAKES))
def test_a_mistake_is_status_2_and_leaves_no_run_behind(call, place, words, said):
    status, out, err = call("task=copy", "debug=smoke", *words)
    assert status == 2
    assert out == ""
    assert said in err
    assert all(line.startswith("rnnlab-train: ") for line in err.splitlines())
    assert list(place.iterdir()) == []


def test_an_output_directory_that_is_a_file_is_refused(call, place):
    (place / "file").touch()
    status, _, err = call("task=copy", "debug=smoke", "output_dir=file")
    assert status == 2
    assert "output_dir must be a directory to write in" in err
