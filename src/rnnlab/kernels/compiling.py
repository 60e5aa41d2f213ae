"""Compiles the kernels once per machine into a shared library in a cache directory.

They are plain C++ for GCC or Clang without torch headers, so that compiling takes seconds; it is
done at first use, for the processor of this machine. A cached library is code that runs in this
process: one that doesn't match its checksum is compiled again, and one that another user could
have written is refused.
"""

import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from rnnlab.files.atomic import fsync, remove_part_files, write_atomically
from rnnlab.process.output import note

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++17", "-O3", "-DNDEBUG", "-fno-math-errno", "-fno-trapping-math", "-fPIC")
_NATIVE = ("-march=native", "-mcpu=native")  # for this processor; compilers know one of the two
_COMPILERS = ("c++", "g++", "clang++")
_SCRATCH = "compiling-"


def find_compiler() -> list[str] | str:
    """Return the command of a C++ compiler, that of `CXX` if it is set, or why there is none."""
    if words := shlex.split(os.environ.get("CXX", "")):
        path = shutil.which(words[0])
        return [path, *words[1:]] if path else f"CXX={shlex.join(words)} is no command here"
    paths = map(shutil.which, _COMPILERS)
    return next(([path] for path in paths if path), "there is no C++ compiler")


def compiled_library(
    command: Sequence[str], *, cells: Path | None = None, anew: bool = False
) -> Path:
    """Return a library of kernels, compiled now if these sources are not in the cache.

    Args:
        command: the compiler.
        cells: a header with cells in place of those in `cells.h`.
        anew: compile in any case.

    Raises:
        OSError: the cache can't be used.
        CalledProcessError: the compiler fails.
    """
    sources = sorted(_SOURCES.glob("*.cpp"))
    texts = [file.read_text() for file in (*sources, *sorted(_SOURCES.glob("*.h")))]
    options = []
    if cells is not None:
        texts.append(cells.read_text(encoding="utf-8"))
        options = [f'-DRNNLAB_CELLS="{cells}"', f"-I{_SOURCES}"]
    line = [*command, *options]
    name = hashlib.sha256("\0".join([*line, *_FLAGS, _processor(), *texts]).encode())
    file = _cache() / f"{name.hexdigest()[:16]}.so"
    if not anew and _is_intact(file):
        return file
    with FileLock(file.with_name("lock")):
        if anew or not _is_intact(file):
            _remove_leftovers(file.parent)
            again = ", anew" if file.exists() else ""
            note(f"compiling the kernels for this machine, once{again}")
            with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=file.parent) as scratch:
                library = _compile(line, sources, Path(scratch) / file.name)
                fsync(library)
                digest = hashlib.sha256(library.read_bytes()).hexdigest()
                library.replace(file)
            write_atomically(_checksum_file(file), digest.encode())
    return file


def _cache() -> Path:
    """Return the cache directory, which other users can't write to.

    Raises:
        PermissionError: it belongs to another user.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(home) / "rnnlab" / "kernels"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (directory.parent, directory):
        _check_owner(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o022:
            path.chmod(0o700)
    return directory


def _check_owner(path: Path) -> None:
    """Refuse a path that belongs to another user, who could put any code there."""
    if hasattr(os, "getuid") and path.lstat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user: no kernels are loaded from there")


def _is_intact(file: Path) -> bool:
    """Whether a library and its checksum exist and agree."""
    try:
        if not all(stat.S_ISREG(path.lstat().st_mode) for path in (file, _checksum_file(file))):
            return False
        _check_owner(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return _checksum_file(file).read_bytes() == digest.encode()
    except FileNotFoundError:
        return False


def _checksum_file(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _remove_leftovers(directory: Path) -> None:
    """Remove files of a compilation that was killed; the caller holds the lock."""
    remove_part_files(directory, alone=True)
    for scratch in directory.glob(f"{_SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)


def _compile(command: Sequence[str], sources: Sequence[Path], file: Path) -> Path:
    """Compile the sources in parallel, and link them to a library.

    Raises:
        CalledProcessError: the compiler fails.
    """

    def run(*arguments: str | Path) -> None:
        line = [*command, *_FLAGS, *arguments]
        subprocess.run(line, check=True, capture_output=True, text=True, timeout=300)

    def compile_for(native: str) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda s, o: run(native, "-c", s, "-o", o), sources, objects))

    objects = [file.with_name(f"{source.stem}.o") for source in sources]
    try:
        compile_for(_NATIVE[0])
    except subprocess.CalledProcessError:
        compile_for(_NATIVE[1])
    run("-shared", "-pthread", *objects, "-o", file)
    return file


def _processor() -> str:
    """Return the processor's name and features: different machines may share a home directory."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        flags = [line for line in info.read_text().splitlines() if line.startswith("flags")]
        return f"{platform.machine()} {flags[:1]}"
    return f"{platform.machine()} {platform.processor()}"
