"""The kernels are compiled once, and without a compiler the reason is available."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rnnlab.kernels import compiling, load_kernels
from rnnlab.kernels.arguments import Kernel, Options, Tensors
from rnnlab.kernels.functions import Unroll
from rnnlab.kernels.library import SCAN_CELLS, cell_index
from rnnlab.kernels.request import Operation, Request
from tests.marks import needs_kernels

ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}
ASK = (
    "from rnnlab.kernels import load_kernels, why_no_kernels; "
    "print(load_kernels() is not None, why_no_kernels())"
)


def ask(**environment: str) -> tuple[str, str]:
    """Load the kernels in a new process, and return its output streams."""
    added = {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=os.environ | added, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.thorough
@needs_kernels
def test_they_are_compiled_once(tmp_path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    stdout, stderr = ask(**cache)
    assert stdout == "True None"
    assert "compiling" in stderr
    (file,) = (tmp_path / "rnnlab" / "kernels").glob("*.so")
    before = file.stat().st_mtime_ns
    stdout, stderr = ask(**cache)
    assert (stdout, stderr) == ("True None", "")
    assert file.stat().st_mtime_ns == before
    names = [file.name, file.with_suffix(".sha256").name, "lock"]
    assert sorted(p.name for p in file.parent.iterdir()) == sorted(names)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and a compiler that writes a text file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def compile(command: list[str], _: list[Path], file: Path) -> Path:
        made.append(command)
        file.write_bytes(b"a library")
        return file

    made: list[list[str]] = []
    monkeypatch.setattr(compiling, "_compile", compile)
    monkeypatch.setattr(compiling, "compile_calls", made, raising=False)
    return tmp_path / "rnnlab" / "kernels"


DAMAGE = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:3]),
    "flipped": lambda file: file.write_bytes(b"A library"),
    "empty": lambda file: file.write_bytes(b""),
    "link": lambda file: (file.rename(file.with_name("x")), file.symlink_to("x")),
    "no_checksum": lambda file: file.with_suffix(".sha256").unlink(),
    "empty_checksum": lambda file: file.with_suffix(".sha256").write_bytes(b""),
}


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_library_is_compiled_anew(kind) -> None:
    file = compiling.compiled_library(["c++"])
    assert compiling.compiled_library(["c++"]) == file
    assert len(compiling.compile_calls) == 1
    DAMAGE[kind](file)
    assert compiling.compiled_library(["c++"]).read_bytes() == b"a library"
    assert not file.is_symlink()
    assert len(compiling.compile_calls) == 2
    assert compiling.compiled_library(["c++"]) == file
    assert len(compiling.compile_calls) == 2


def test_what_a_killed_compiler_left_is_cleared(cache) -> None:
    (cache / "compiling-abc").mkdir(parents=True)
    (cache / "compiling-abc" / "scan.o").touch()
    (cache / "x.sha256.01234567.part").touch()
    file = compiling.compiled_library(["c++"])
    names = [file.name, file.with_suffix(".sha256").name, "lock"]
    assert sorted(p.name for p in cache.iterdir()) == sorted(names)


@pytest.mark.usefixtures("cache")
def test_nothing_of_another_user_is_loaded(monkeypatch) -> None:
    compiling.compiled_library(["c++"])
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError, match="belongs to another user"):
        compiling.compiled_library(["c++"])


def test_a_cache_that_others_may_write_is_closed_to_them(cache) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    compiling.compiled_library(["c++"])
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_compiler_may_have_words_of_its_own(monkeypatch, tmp_path) -> None:
    (tmp_path / "ccache").write_text("")
    (tmp_path / "ccache").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "ccache 'my g++' -v")
    assert compiling.find_compiler() == [str(tmp_path / "ccache"), "my g++", "-v"]
    monkeypatch.setenv("CXX", "nosuch g++")
    assert compiling.find_compiler() == "CXX=nosuch g++ is no command here"


@pytest.mark.thorough
def test_they_can_be_turned_off() -> None:
    assert ask(RNNLAB_KERNELS="off")[0] == "False RNNLAB_KERNELS=off"


def test_a_machine_without_a_compiler_has_none(tmp_path) -> None:
    stdout, stderr = ask(PATH=str(tmp_path), CXX="")
    assert stdout == "False there is no C++ compiler"
    assert stderr == ""


@pytest.mark.thorough
def test_a_compiler_that_fails_is_named(tmp_path) -> None:
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'no such flag' >&2\nexit 1\n")
    compiler.chmod(0o755)
    stdout, _ = ask(CXX=str(compiler), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert stdout == f"False {compiler} failed: no such flag"
    assert not list(tmp_path.glob("cache/**/*.so"))


@pytest.mark.thorough
@needs_kernels
def test_a_cache_that_nobody_may_write_is_no_disaster(tmp_path) -> None:
    (tmp_path / "file").touch()
    stdout, _ = ask(XDG_CACHE_HOME=str(tmp_path / "file"))
    assert stdout.startswith("False")
    assert "file" in stdout


@needs_kernels
def test_our_own_cells_are_numbered_as_the_library_does() -> None:
    library = load_kernels()
    numbers = [library.rnnlab_scan_cell(name.encode()) for name in SCAN_CELLS]
    assert numbers == [*range(len(SCAN_CELLS))]
    assert library.rnnlab_scan_cell(b"") < 0


def run_activation(name: str, numbers: torch.Tensor) -> torch.Tensor:
    """Run an Elman unit of weight 1 for one step on the numbers."""
    one, none = torch.ones(1, 1), torch.zeros(len(numbers), 1)
    rows = numbers.view(-1, 1, 1)
    tensors = Tensors(one, one, torch.zeros(1), None, None, none, none[:, :0], rows)
    kernel = Kernel("scan", cell_index(f"elman_{name}"))
    return Unroll.apply(Options(kernel), *tensors)[0].flatten()


@needs_kernels
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_exact_to_the_last_digits(name: str) -> None:
    sizes = torch.logspace(-8, 2, 20_001)
    numbers = torch.cat([-sizes, sizes, torch.tensor([0.0, 88.5, -88.5, 1e30, -1e30])])
    exact = ACTIVATIONS[name](numbers.double())
    error = (run_activation(name, numbers) - exact).abs()
    assert (error <= 4e-7 * exact.abs() + 1e-37).all()


@needs_kernels
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_is_no_number_stays_none(name: str) -> None:
    numbers = torch.tensor([torch.nan, 1.0, torch.inf, -torch.inf])
    outputs = run_activation(name, numbers)
    torch.testing.assert_close(outputs, ACTIVATIONS[name](numbers), equal_nan=True)


@needs_kernels
def test_what_no_memory_holds_is_an_error_and_no_crash() -> None:
    before = run_activation("tanh", torch.ones(3))
    one, weights = torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)
    bias, ids = torch.zeros(1, 1), torch.zeros(1, 1, 1, dtype=torch.int64)
    tensors = Tensors(weights, weights, bias, None, None, one, one[:, :, :0], ids)
    call = Request(Options(Kernel("scan", 0)), tensors)
    call.fields["length"] = 2**40
    with pytest.raises(MemoryError, match="too large"):
        call.run(Operation.BACKWARD, {}, {})
    assert torch.equal(run_activation("tanh", torch.ones(3)), before)
