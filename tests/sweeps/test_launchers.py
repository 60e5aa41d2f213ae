"""`hydra/launcher=joblib|submitit_local|submitit_slurm|ray`: jobs in worker processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

import rnnlab
from hydra_plugins.rnnlab_parallel.joblib import JoblibLauncher
from rnnlab.cli.train import main
from rnnlab.files import checkpoint
from rnnlab.runs.run import Run
from tests.calls import PATIENCE, call
from tests.kills import Process
from tests.same import differing
from tests.small_runs import tiny

ROOT = Path(__file__).parents[2]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
LOCAL = ["hydra/launcher=submitit_local", "hydra.launcher.array_parallelism=2"]
RAY = ["hydra/launcher=ray"]
LONG = ["trainer.max_steps=500", "trainer.val_every=20", "data.val_size=2"]

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="signals as POSIX has them"),
]

READS_PROC = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="reads /proc")

HAS_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")


def command(out: Path, *words: str) -> list[str]:
    script = str(ROOT / "scripts/train.py")
    return [sys.executable, script, "-m", *tiny(out, "sweep_name=s", *words)]


def done(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(out, *words), capture_output=True, text=True, timeout=PATIENCE)


def runs(out: Path) -> dict[str, Run]:
    paths = sorted(path.parent for path in out.glob("sweeps/s/[!.]*/config.yaml"))
    return {path.name: Run.load(path) for path in paths}


def until(is_so: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    for _ in range(20 * PATIENCE):
        if is_so():
            return
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise TimeoutError


def processes(word: str, *, group: int | None = None) -> list[int]:
    """List living processes with a word in their command line, and of a process group if given."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().decode().split("\0")
            state, _, leader = (path / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended meanwhile
        if state != "Z" and any(word in part for part in line) and group in (None, int(leader)):
            found.append(int(path.name))
    return found


@dataclass
class Sweep:
    """Results of running one sweep, in which half the jobs are refused, twice in workers."""

    out: Path
    first: subprocess.CompletedProcess[str]
    ended: list[str]
    second: tuple[int, str, str]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(JOBLIB, id="joblib"),
        pytest.param(LOCAL, id="submitit_local"),
        pytest.param(RAY, id="ray", marks=HAS_RAY),
    ],
)
def swept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    out = tmp_path_factory.mktemp("swept")
    words = ["seed=0,1,1", "model.cell.hidden_size=4,0", *request.param]
    first = done(out, *words)
    return Sweep(
        out, first, ends(out), call(main, "rnnlab-train", "-m", *tiny(out, "sweep_name=s", *words))
    )


def ends(out: Path) -> list[str]:
    return [run.card["ended"] for run in runs(out).values()]


def test_jobs_side_by_side_leave_the_same_files_as_alone(swept, tmp_path):
    made = runs(swept.out)
    assert {run.config.seed: run.card["status"] for run in made.values()} == {
        0: "finished",
        1: "finished",
    }
    for run in made.values():
        seed, words = run.config.seed, ["model.cell.hidden_size=4"]
        alone = rnnlab.train(tiny(tmp_path / str(seed), f"seed={seed}", *words))
        assert differing(run, alone) == []
        assert run.card["overrides"]["seed"] == str(seed)
        assert run.card["command"][:2] == ["train.py", "-m"]


def test_a_refused_job_stops_no_other_and_stands_in_the_table(swept):
    assert swept.first.returncode == 2, swept.first.stderr
    assert "4 jobs: 2 finished, 2 refused" in swept.first.stdout
    assert swept.first.stdout.count("model.cell.hidden_size must be 1 or more, got 0") == 2
    assert swept.first.stdout.splitlines()[-1] == str(swept.out / "sweeps/s")
    assert "Traceback" not in swept.first.stderr


def test_equal_jobs_are_done_once(swept):
    assert "seed=1: the same job as" in swept.first.stderr
    assert all(len(run.card["sessions"]) == 1 for run in runs(swept.out).values())


def test_finished_jobs_are_not_done_again(swept):
    status, _, err = swept.second
    assert status == 2
    assert err.count(": done before") == 3
    assert ends(swept.out) == swept.ended


def test_each_printed_line_shows_its_job(swept):
    logs = [path.read_text() for path in swept.out.glob("sweeps/s/.submitit/*/*_log.err")]
    if logs:
        assert sum("step 4  val/loss" in log for log in logs) == 2
        assert "val/loss" not in swept.first.stderr
    else:
        assert swept.first.stderr.count("[1] step 4  val/loss") == 1
        assert swept.first.stderr.count("[2] step 4  val/loss") == 1
    assert "\r" not in swept.first.stderr


def assert_as_if_alone(out: Path) -> None:
    made = {run.config.seed: run for run in runs(out).values()}
    assert [run.card["status"] for run in made.values()] == ["finished"] * 2
    assert differing(made[1], rnnlab.train(tiny(out / "alone", "seed=1", *LONG))) == []


@READS_PROC
@pytest.mark.parametrize(
    ("words", "number", "group"),
    [
        pytest.param(JOBLIB, signal.SIGINT, True, id="joblib-interrupt"),
        pytest.param(LOCAL, signal.SIGTERM, False, id="local-terminate", marks=pytest.mark.slow),
        pytest.param(RAY, signal.SIGTERM, False, id="ray-terminate", marks=HAS_RAY),
        pytest.param(JOBLIB, signal.SIGTERM, True, id="joblib-all", marks=pytest.mark.slow),
        pytest.param(JOBLIB, signal.SIGTERM, False, id="joblib-parent", marks=pytest.mark.slow),
        pytest.param(JOBLIB, signal.SIGKILL, True, id="joblib-kill", marks=pytest.mark.slow),
        pytest.param(JOBLIB, signal.SIGKILL, False, id="joblib-orphan", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_all_jobs_and_the_same_command_goes_on(tmp_path, words, number, group):
    whole = command(tmp_path, "seed=0,1", *LONG, *words)
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # where a killed one leaves its things
    process = subprocess.Popen(
        whole, stderr=subprocess.PIPE, text=True, start_new_session=True, env=env
    )
    until(lambda: len(list(tmp_path.glob("sweeps/s/*/checkpoints/last.ckpt"))) == 2, process)
    (os.killpg if group else os.kill)(process.pid, number)  # a terminal's Ctrl-C meets the group
    _, err = process.communicate(timeout=PATIENCE)
    until(lambda: not processes("", group=process.pid))
    statuses = [run.card["status"] for run in runs(tmp_path).values()]
    if number == signal.SIGKILL:
        assert process.returncode == -9
    else:
        word, status = {2: ("interrupted", 130), 15: ("terminated", 143)}[number]
        assert process.returncode == status, err
        last = f"rnnlab-train: {word}; the same command goes on with what is left"
        assert err.splitlines()[-1] == last
        assert statuses == ["interrupted"] * 2
        for run in runs(tmp_path).values():
            saved = checkpoint.read(run.path / "checkpoints/last.ckpt")["global_step"]
            assert run.card["sessions"][-1]["last_step"] == saved
    assert subprocess.run(whole, capture_output=True).returncode == 0
    assert_as_if_alone(tmp_path)


@READS_PROC
def test_a_job_whose_worker_is_killed_has_failed_and_the_others_go_on(tmp_path):
    whole = command(tmp_path, "trainer.max_steps=1000000,1000001,2", "data.val_size=2", *JOBLIB)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    bare = {**os.environ, "PATH": str(tmp_path)}  # without pgrep
    process = subprocess.Popen(whole, text=True, start_new_session=True, env=bare, **pipes)
    until(lambda: len(list(tmp_path.glob("sweeps/s/*/checkpoints/last.ckpt"))) == 2, process)
    for worker in processes("LokyProcess", group=process.pid):
        os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, err
    assert "3 jobs: 2 running, 1 finished" in out
    assert out.count("was killed, perhaps for lack of memory") == 2
    assert "Traceback" not in err


@READS_PROC
def test_a_preempted_job_saves_and_is_requeued_and_resumes(tmp_path):
    whole = command(tmp_path, "seed=0,1", *LONG, *LOCAL)
    process = subprocess.Popen(whole, stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(tmp_path.glob("sweeps/s/*/checkpoints/last.ckpt"))) == 2, process)
    for folder in tmp_path.glob("sweeps/s/.submitit/[0-9]*"):  # each named by its controller
        tasks = Path(f"/proc/{folder.name}/task/{folder.name}/children").read_text().split()
        os.kill(int(tasks[0]), signal.SIGUSR2)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    for run in runs(tmp_path).values():
        first, second = run.card["sessions"]
        assert (first["status"], second["status"]) == ("interrupted", "finished")
        assert second["first_step"] == first["last_step"] > 0
    assert_as_if_alone(tmp_path)


SLURM = {
    "sbatch": """#!/bin/bash
cp "$1" "$PLACE/script.sh"
count=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
for number in $(seq 0 "$count"); do
  SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$number SLURM_NTASKS=1 \\
    SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 \\
    bash "$PLACE/script.sh" >"$PLACE/$number.txt" 2>&1 </dev/null &
done
echo Submitted batch job 7
""",
    "srun": """#!/bin/bash
while [[ $1 == --* ]]; do [[ $1 == --unbuffered ]] && shift || shift 2; done
exec "$@"
""",
    "sacct": "#!/bin/bash\necho 'JobID|State|NodeList'\n"
    'for number in 0 1; do echo "7_$number|RUNNING|here"; done\n',
}
"""Stand-ins for the commands of Slurm that submitit calls."""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins for Slurm's commands on PATH; returns where they copy the job script."""
    place = tmp_path / "slurm"
    place.mkdir()
    for name, text in SLURM.items():
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("PLACE", str(place))
    return place


def test_the_job_script_requests_what_the_settings_say(sweep, slurm, tmp_path):
    asked = ["partition=short", "timeout_min=30", "array_parallelism=1", "mem_gb=2", "account=me"]
    words = [f"hydra.launcher.{word}" for word in asked]
    status, out, err = sweep("seed=0,1", "threads=2", "hydra/launcher=submitit_slurm", *words)
    assert status == 0, err
    assert out.splitlines()[-2] == "2 jobs: 2 finished"
    script = (slurm / "script.sh").read_text()
    wanted = ["partition=short", "time=30", "array=0-1%1", "mem=2GB", "account=me"]
    for word in [*wanted, "cpus-per-task=2", "signal=USR2@90"]:
        assert f"#SBATCH --{word}\n" in script
    assert "gpus" not in script
    assert all("SLURM" not in str(run.card["command"]) for run in runs(tmp_path).values())


def test_without_slurm_nothing_is_submitted(sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, err = sweep("seed=0,1", "hydra/launcher=submitit_slurm")
    assert (status, out) == (2, "")
    assert "hydra/launcher=submitit_slurm needs sbatch and srun" in err
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Probe:
    """A work item that writes the device and threads of its worker to a file."""

    label: str
    place: Path
    threads: int = 3
    on_gpu: bool = True

    @property
    def job(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.label)

    def run_in_worker(self) -> bool:
        seen = [os.environ[name] for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")]
        (self.place / self.label).write_text(" ".join([str(os.getpid()), *seen]))
        until(lambda: len(list(self.place.iterdir())) >= 2)  # the other worker is there too
        return True


def test_each_worker_has_its_device_and_its_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    launcher = JoblibLauncher(n_jobs=2)
    launcher.run_in_workers([Probe(str(number), tmp_path) for number in range(6)])
    seen = [path.read_text().split() for path in tmp_path.iterdir()]
    assert len(seen) == 6
    assert len({(worker, device) for worker, device, _ in seen}) == 2
    assert {device for _, device, _ in seen} == {"5", "7"}
    assert {threads for _, _, threads in seen} == {"3"}


def test_two_sweeps_at_once_do_each_job_once(tmp_path):
    words = ["-m", *tiny(tmp_path / "runs", "sweep_name=s", "seed=range(8)")]
    both = [Process(words, tmp_path / name) for name in ("one", "other")]
    for process in both:
        life = process.end()
        assert life.status == 0, life.diary
    made = list((tmp_path / "runs/sweeps/s").glob("[!.]*/"))
    assert sorted(Run.load(path).config.seed for path in made) == list(range(8))
    cards = [Run.load(path).card for path in made]
    assert [(card["status"], len(card["sessions"])) for card in cards] == [("finished", 1)] * 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*JOBLIB, "hydra.launcher.n_jobs=0"], "n_jobs must be auto or 1 or more, got 0"),
        ([*JOBLIB, "hydra.launcher.n_jobs=many"], "auto or 1 or more, got 'many'"),
        ([*LOCAL, "hydra.launcher.array_parallelism=0"], "auto or 1 or more, got 0"),
        ([*LOCAL, "hydra.launcher.timeout_min=1"], "signal_delay_s must be more than 0"),
        ([*JOBLIB, "hydra.launcher.jobs=2"], "jobs"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(sweep, tmp_path, words, message):
    status, out, err = sweep("seed=0,1", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("launcher", [JOBLIB, LOCAL], ids=["joblib", "submitit"])
def test_jobs_on_several_devices_are_refused(sweep, tmp_path, launcher):
    status, out, err = sweep("seed=0,1", "trainer=ddp", "trainer.devices=2", *launcher)
    assert (status, out) == (2, "")
    assert "trainer.devices must be 1 where jobs train side by side, got 2" in err
    assert runs(tmp_path) == {}


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "submitit_slurm", "ray"])
def test_a_package_that_is_missing_is_one_line_and_status_2(sweep, tmp_path, monkeypatch, launcher):
    package = launcher.partition("_")[0]
    monkeypatch.setitem(sys.modules, package, None)
    status, out, err = sweep("seed=0,1", f"hydra/launcher={launcher}")
    assert (status, out) == (2, "")
    assert err == (
        f"rnnlab-train: hydra/launcher={launcher} needs a package that is not installed: "
        f"pip install 'rnnlab[{package}]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_lists_the_jobs_and_starts_no_process(sweep, tmp_path):
    status, out, _ = sweep("seed=0,1", "dry_run=true", *JOBLIB)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["train", "train"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # as the fast one of the basic launcher
def test_a_sweep_that_stops_at_a_failure_begins_no_more_jobs(sweep, tmp_path):
    sizes = "model.cell.hidden_size=0,4"
    words = [sizes, "on_error=stop", "hydra/launcher=submitit_local"]
    status, _, err = sweep(*words, "hydra.launcher.array_parallelism=1")
    assert status == 2, err
    assert runs(tmp_path) == {}


def test_plugins_import_no_heavy_package():
    code = """
import sys
import hydra_plugins.rnnlab_parallel.joblib
import hydra_plugins.rnnlab_parallel.ray
import hydra_plugins.rnnlab_parallel.submitit
print({"torch", "joblib", "submitit", "ray", "rnnlab.sweeps.jobs"} & set(sys.modules))
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert made.stdout == "set()\n", made.stderr
