"""Files of data that installed packages carry, found without importing the packages."""

import gzip
import re
from collections.abc import Sequence
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


def project_files(projects: Sequence[str], pattern: re.Pattern[str], setting: str) -> list[Path]:
    """Return the paths of the installed files of projects that a pattern finds.

    Args:
        projects: their names on PyPI.
        pattern: of a path with slashes, below the directory of installed packages.
        setting: what asks for them, for the error.

    Raises:
        NoPackage: some are not installed, or one has no such file in this version.
    """
    files: dict[str, list[Path]] = {}
    missing = []
    for project in projects:
        try:
            listed = distribution(project).files or []
        except (PackageNotFoundError, ValueError):  # an empty name
            missing.append(project)
            continue
        paths = [Path(str(file.locate())) for file in listed if pattern.search(file.as_posix())]
        files[project] = sorted(path for path in paths if path.is_file())
    if missing:
        raise NoPackage(
            f"{setting} reads files of projects that are not installed: pip install --no-deps "
            f"{' '.join(missing)} (nothing of them is imported)"
        )
    for project, found in files.items():
        if not found:
            raise NoPackage(f"{setting} reads files that {project} lacks in this version")
    return [path for found in files.values() for path in found]


class PackageTexts(TextFiles):
    """Text files that a package carries, compressed or not."""

    packaged = True

    def read(self, split: Split) -> str:
        """Read the file that holds a split."""
        file = Path(self.named[self.key(split)])
        data = file.read_bytes()
        return (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
