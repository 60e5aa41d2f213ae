"""rnnlab where nobody has used it yet: `python scripts/fresh.py debian` before each release.

    debian   both commands of the README in a bare Debian 13 without a compiler, made by
             debootstrap (as root, on Linux)
    floors   a minute of use with the lowest version of each package that pyproject.toml allows
    newest   the same with the newest one, pre-releases among them
    python   the quick tests, each with the first of its parameters, with the newest Python on this
             machine, and no compiler on PATH

Each makes its place in a temporary directory and takes it away again, prints what it runs, and ends
with status 1 when something failed. `debian` sees what is committed, the others the checkout.
`floors` and `newest` also fail for a warning about how rnnlab uses what it stands on.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEBIAN = "trixie"
BARE = ("python3", "python3-venv", "git", "make", "ca-certificates")
COMPILERS = re.compile(r".*(gcc|g\+\+|c\+\+|clang|\bcpp\b).*|cc|c\d\d|tcc|nvcc|icp?x")
PYTHONS = range(11, 30)
PARALLEL = ("--numprocesses=auto", "--dist=worksteal")
RUN = ["trainer.max_steps=4", "trainer.val_every=2", "data.val_size=8", "data.test_size=8"]
EXTRAS = ("analysis", "export")  # what commands need beside the dependencies
ASKED = "asked.txt"
USES = {  # a minute of use: {runs} is where runs are written, {text} and {more} are two of them
    "train": [
        ["experiment=next_char_lstm", *RUN, "output_dir={runs}/text"],
        ["resume={text}", "trainer.max_steps=6"],
        ["init_from={text}", "optimizer.lr=1e-4", *RUN, "output_dir={runs}/more"],
        ["model=seq2seq", "task=translation", *RUN, "output_dir={runs}"],
        ["-m", "seed=1,2", *RUN, "output_dir={runs}", "sweep_name=one"],
        ["-m", "seed=3,4", *RUN, "output_dir={runs}", "hydra/launcher=vectorized"],
        ["--help"],
    ],
    "evaluate": [["run={text}"]],
    "sample": [["run={text}"]],
    "predict": [["run={text}", f"input={ASKED}", "length=20", "output=answers.csv"]],
    "export": [["run={text}", "to=safetensors", "output=exported"]],  # ONNX needs a newer torch
    "analyze": [["run={text}", "analysis=lyapunov"]],
    "diff": [["{text}", "{text}"]],
    "list": [["models"]],
    "report": [["{runs}/sweeps/one"]],
    "runs": [["{runs}", "sort=score"]],
    "reproduce": [["hinton_binary_adder", "tier=smoke", "output_dir={runs}"]],
}
WARNS = re.compile(r"[Ww]arn|[Dd]eprecat")


def main(arguments: list[str]) -> int:
    places = {"debian": debian, "floors": floors, "newest": newest, "python": python}
    if not arguments or not set(arguments) <= set(places):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    failed = []
    for name in arguments:
        with tempfile.TemporaryDirectory(prefix="rnnlab-fresh-") as made:
            if not places[name](Path(made)):
                failed.append(name)
    print(f"fresh: {', '.join(failed) + ' failed' if failed else 'all is well'}")
    return bool(failed)


def debian(place: Path) -> bool:
    """Both commands of the README, in a tree that has only what `BARE` names."""
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        print("fresh: 'debian' needs debootstrap (a package of that name) and root")
        return False
    tree = place / "debian"
    options = ["--variant=minbase", f"--include={','.join(BARE)}"]
    if not run(["debootstrap", *options, DEBIAN, str(tree)], quiet=True):
        return False
    shared = [ROOT, *given_to_pip(tree)]
    mounts = ["mount -t proc proc proc", "mount --rbind /dev dev"]
    for path in shared:
        inside = tree / path.relative_to("/")
        if path.is_dir():
            inside.mkdir(parents=True, exist_ok=True)
        else:
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.touch()
        mounts.append(f"mount --rbind {shlex.quote(str(path))} {shlex.quote(str(inside))}")
    shutil.copy("/etc/resolv.conf", tree / "etc" / "resolv.conf")
    inside = " && ".join(
        [
            f"git -c safe.directory='*' clone --quiet {shlex.quote(str(ROOT))} /root/rnnlab",
            "cd /root/rnnlab",
            "make run",
            "make test",
        ]
    )
    # In a mount namespace of its own, which ends with the command and takes its mounts with it.
    script = " && ".join([f"cd {tree}", *mounts, f"exec chroot . sh -c {shlex.quote(inside)}"])
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        **{key: value for key, value in os.environ.items() if key.startswith("PIP_")},
    }
    return run(["unshare", "--mount", "--propagation=private", "sh", "-c", script], environment)


def given_to_pip(tree: Path) -> list[Path]:
    """What of this machine's files pip is told to use: its settings hold in the tree as well."""
    told = subprocess.run(["pip", "config", "list"], capture_output=True, text=True).stdout
    lines = [line.partition("=") for line in told.splitlines()]
    settings = {key: value.strip("'\"") for key, _, value in lines if not key.startswith(":env:")}
    text = "".join(f"{key.partition('.')[2]} = {value}\n" for key, value in settings.items())
    (tree / "etc" / "pip.conf").write_text(f"[global]\n{text}")
    values = [*settings.values(), *(v for k, v in os.environ.items() if k.startswith("PIP_"))]
    return [Path(value) for value in values if value.startswith("/") and Path(value).exists()]


def floors(place: Path) -> bool:
    """A minute of use with the lowest version of each package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (project["optional-dependencies"][extra] for extra in EXTRAS)
    wanted = [*project["dependencies"], *chain.from_iterable(extras)]
    lowest = [re.sub(r">=([\w.]+).*", r"==\1", line) for line in wanted]
    return used(place, [*lowest, "-e", str(ROOT)])


def newest(place: Path) -> bool:
    """A minute of use with the newest version of each package."""
    return used(place, ["--pre", "-e", f"{ROOT}[{','.join(EXTRAS)}]"])


def used(place: Path, packages: Sequence[str]) -> bool:
    """Use each command once with these packages; says whether all went well and none warned."""
    venv, runs = place / "venv", place / "runs"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip"]
    if not run([*pip, "install", "--quiet", "--disable-pip-version-check", *packages]):
        return False
    run([*pip, "list", "--format=freeze"])
    (place / ASKED).write_text("the cat sleeps\n", encoding="utf-8")
    well = True
    for name, uses in USES.items():
        for words in uses:
            made = {name: next(runs.glob(f"{name}/*/*/*/"), None) for name in ("text", "more")}
            given = [word.format(runs=runs, **made) for word in words]
            command = [str(venv / "bin" / f"rnnlab-{name}"), *given]
            say(command)
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=place
            )
            warned = [line for line in done.stdout.splitlines() if WARNS.search(line)]
            if done.returncode:
                print(done.stdout, f"status {done.returncode}", sep="\n")
            for line in warned if not done.returncode else ():
                print(f"warned: {line}")
            well = well and not done.returncode and not warned
    return well


def python(place: Path) -> bool:
    """Each quick test once with the newest Python that has what an environment needs."""
    newest = newest_python()
    if newest is None:
        print("fresh: no newer Python than this is here, 'python' has nothing to do")
        return True
    environment = {
        **os.environ,
        "RNNLAB_VENV": str(place / "venv"),
        "PATH": os.pathsep.join([*without_compilers(place / "bin")]),
    }
    made = [newest, str(ROOT / "scripts" / "make.py"), "setup"]
    if not run(made, environment):
        print(f"fresh: no environment could be made for {newest}: its tests are not run")
        return True
    return run([*made[:-1], "test", *PARALLEL, "--one-each"], environment)


def newest_python() -> str | None:
    """Give the newest Python after this one, on PATH or among those of pyenv."""
    for minor in reversed(PYTHONS):
        if minor <= sys.version_info.minor:
            return None
        kept = Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3")
        for found in [shutil.which(f"python3.{minor}"), *map(str, sorted(kept))]:
            has = [found or "", "-c", "import ensurepip, ssl, sqlite3"]
            if found and subprocess.run(has, stderr=subprocess.DEVNULL).returncode == 0:
                return found
    return None


def without_compilers(place: Path) -> list[str]:
    """Give PATH anew: links to what lies on it, but no compiler and no Python."""
    place.mkdir()
    for directory in os.get_exec_path():
        for file in Path(directory).glob("*"):
            link = place / file.name
            if file.name.startswith("python") or COMPILERS.fullmatch(file.name):
                continue
            if os.access(file, os.X_OK) and file.is_file() and not link.is_symlink():
                link.symlink_to(file)
    return [str(place)]


def run(
    command: Sequence[str], environment: dict[str, str] | None = None, *, quiet: bool = False
) -> bool:
    """Run a command and say so; gives whether it went well."""
    say(command)
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, env=environment, stdout=output).returncode == 0


def say(command: Sequence[str]) -> None:
    print("$ " + shlex.join(command), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
