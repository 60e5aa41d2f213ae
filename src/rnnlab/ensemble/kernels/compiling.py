"""Compile the kernels once a machine, and keep them in a cache that nothing damaged is loaded from.

They are plain C++ for GCC or Clang without any header of torch, so that compiling takes seconds,
and it is done at first use for the very processor that runs them. A library from a cache is code
that runs in this process: one whose checksum is not that beside it is compiled anew, and one that
another user could have written is refused.
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
_NATIVE = ("-march=native", "-mcpu=native")  # this very processor, as compilers call it
_COMPILERS = ("c++", "g++", "clang++")
_SCRATCH = "compiling-"


def compiler() -> list[str] | str:
    """Find a C++ compiler and its first arguments, those of `CXX` if it is set, or say why none."""
    if words := shlex.split(os.environ.get("CXX", "")):
        found = shutil.which(words[0])
        return [found, *words[1:]] if found else f"CXX={shlex.join(words)} is no command here"
    paths = map(shutil.which, _COMPILERS)
    return next(([path] for path in paths if path), "there is no C++ compiler")


def compiled(command: Sequence[str], *, anew: bool = False) -> Path:
    """Give the file of the compiled kernels, made now if these sources never were here.

    Args:
        command: the compiler.
        anew: whether to make it in any case.

    Raises:
        OSError: the cache can't be used.
        CalledProcessError: the compiler can't compile them.
    """
    sources = sorted(_SOURCES.glob("*.cpp"))
    texts = [file.read_text() for file in (*sources, *sorted(_SOURCES.glob("*.h")))]
    name = hashlib.sha256("\0".join([*command, *_FLAGS, _processor(), *texts]).encode())
    file = _cache() / f"{name.hexdigest()[:16]}.so"
    if not anew and _is_whole(file):
        return file
    with FileLock(file.with_name("lock")):
        if anew or not _is_whole(file):
            _clear(file.parent)
            again = ", anew" if file.exists() else ""
            note(f"compiling the kernels for this machine, once{again}")
            with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=file.parent) as scratch:
                made = _compile(command, sources, Path(scratch) / file.name)
                fsync(made)
                digest = hashlib.sha256(made.read_bytes()).hexdigest()
                made.replace(file)
            write_atomically(_checksum(file), digest.encode())
    return file


def _cache() -> Path:
    """Give the directory of compiled kernels, which nobody else can write.

    Raises:
        PermissionError: somebody else can.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(home) / "rnnlab" / "kernels"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in (directory.parent, directory):
        _check_owner(place)
        if stat.S_IMODE(place.stat().st_mode) & 0o022:
            place.chmod(0o700)
    return directory


def _check_owner(path: Path) -> None:
    """Refuse what belongs to somebody else, who could put any code there."""
    if hasattr(os, "getuid") and path.lstat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user: no kernels are loaded from there")


def _is_whole(file: Path) -> bool:
    """Tell whether a library is there as it was made."""
    try:
        there = [file.lstat(), _checksum(file).lstat()]
        if not all(stat.S_ISREG(found.st_mode) for found in there):
            return False
        _check_owner(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return _checksum(file).read_bytes() == digest.encode()
    except FileNotFoundError:
        return False


def _checksum(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _clear(directory: Path) -> None:
    """Remove what compiling left that was killed; whoever holds the lock is alone."""
    remove_part_files(directory, alone=True)
    for scratch in directory.glob(f"{_SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)


def _compile(command: Sequence[str], sources: Sequence[Path], file: Path) -> Path:
    """Make the library, its parts side by side.

    Raises:
        CalledProcessError: the compiler can't.
    """

    def run(*words: str | Path) -> None:
        whole = [*command, *_FLAGS, *words]
        subprocess.run(whole, check=True, capture_output=True, text=True, timeout=300)

    def make(native: str) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda s, o: run(native, "-c", s, "-o", o), sources, objects))

    objects = [file.with_name(f"{source.stem}.o") for source in sources]
    try:
        make(_NATIVE[0])
    except subprocess.CalledProcessError:
        make(_NATIVE[1])
    run("-shared", *objects, "-o", file)
    return file


def _processor() -> str:
    """Name the processor and what it can do, for a home may be shared by unlike machines."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        told = [line for line in info.read_text().splitlines() if line.startswith("flags")]
        return f"{platform.machine()} {told[:1]}"
    return f"{platform.machine()} {platform.processor()}"
