"""What a script keeps: its results in a JSON file, and the parts of pages that it makes of them."""

import json
import re
from pathlib import Path
from typing import Any

from rnnlab.files.atomic import write_atomically
from rnnlab.runs.environment import checkout

ROOT = Path(__file__).resolve().parents[1]


def read(path: Path) -> dict[str, Any]:
    """Read the results, none where there is no file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def write(path: Path, found: dict[str, Any]) -> None:
    """Write the results; the file is whole at any moment."""
    write_atomically(path, (json.dumps(found, indent=1) + "\n").encode())


def replace(page: Path, what: str, made: str) -> None:
    """Replace a part of a page: what stands between the comments that say where it begins and ends.

    Args:
        page: the page.
        what: name of the part, such as `learnt`: its comments are `<!-- learnt: made by ... -->`
            and `<!-- end of learnt -->`.
        made: the new text.
    """
    part = re.compile(rf"(<!-- {what}: made by [^\n]+ -->\n).*(<!-- end of {what} -->)", re.DOTALL)
    text, count = part.subn(
        lambda found: f"{found[1]}{made}\n{found[2]}", page.read_text(encoding="utf-8")
    )
    assert count == 1, f"{page} has no part {what}"
    page.write_text(text, encoding="utf-8")


def commit_of_this() -> str | None:
    """Return the commit that numbers made here are of, `None` where the code is no commit's."""
    git = checkout(Path(__file__))
    return None if git is None or git["dirty"] else git["commit"][:9]
