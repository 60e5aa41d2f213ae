"""The pictures of the lecture: `python scripts/lecture.py [NAME ...] [output_dir=DIR]`.

A page of docs/lecture is an idea; its first block of shell commands makes its picture. This script
gives the commands of the pages that are named (all if none is) and puts what they drew into
docs/lecture/pictures. A page names the file by a comment before the picture; where a command has
`DIR`, it is the directory that the command before it printed last.
"""

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
LECTURE = ROOT / "docs" / "lecture"
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"^<!-- picture: (\S+) -->\n!\[[^\]]+\]\((\S+)\)", re.MULTILINE)
WIDEST = 1400  # pixels of a picture: as wide as a page is on a good screen
COLORS = 256  # of its palette, which makes it a third as large


@dataclass(frozen=True)
class Page:
    """A page of the lecture.

    Attributes:
        path: the Markdown file.
        commands: what makes its picture, one after another, each in words.
        drawn: path of the picture where the commands leave it; `DIR` is a run or a sweep.
        picture: path of the picture that the page shows.
    """

    path: Path
    commands: tuple[tuple[str, ...], ...]
    drawn: str
    picture: Path

    @classmethod
    def read(cls, path: Path) -> "Page":
        """Read a page."""
        text = path.read_text(encoding="utf-8")
        block, shown = SHELL.search(text), PICTURE.search(text)
        assert block, f"{path.name} has no block of commands"
        assert shown, f"{path.name} has no picture with the comment that names it"
        lines = block[1].replace("\\\n", " ").splitlines()
        commands = [tuple(shlex.split(line, comments=True)) for line in lines]
        return cls(path, tuple(filter(None, commands)), shown[1], path.parent / shown[2])


def pages(names: Sequence[str] = ()) -> list[Page]:
    """Read the pages in their order, or those whose file names contain one of `names`."""
    paths = sorted(LECTURE.glob("[0-9]*.md"))
    chosen = [path for path in paths if not names or any(name in path.stem for name in names)]
    return [Page.read(path) for path in chosen]


def give(
    page: Page, output_dir: Path, more: Sequence[str] = (), seconds: float | None = None
) -> Path:
    """Give the commands of a page, and return the path of what they drew.

    Args:
        page: the page.
        output_dir: where runs and sweeps are put.
        more: words to add to what trains, such as a smaller budget.
        seconds: most that an analysis may take; `None` is what the page says.

    Raises:
        CalledProcessError: a command failed; it said why.
    """
    directory = ""
    for program, *words in page.commands:
        verb = program.removeprefix("rnnlab-")
        words = [word.replace("DIR", directory) for word in words]
        words = [re.sub(r"^outputs(?=/)", str(output_dir), word) for word in words]
        if verb in ("train", "reproduce"):
            words += [f"output_dir={output_dir}", *more]
        if verb == "analyze" and seconds is not None:
            words = [word for word in words if not word.startswith("seconds=")]
            words.append(f"seconds={seconds}")
        command = [sys.executable, str(ROOT / "scripts" / f"{verb}.py"), *words]
        print(shlex.join([program, *words]), flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        if verb == "train":
            directory = done.stdout.splitlines()[-1]
    drawn = page.drawn.replace("DIR", directory)
    return Path(re.sub(r"^outputs(?=/)", str(output_dir), drawn))


def save_small(drawn: Path, picture: Path) -> None:
    """Save a picture at the size of a page, with a palette.

    Median cut, Pillow's default, would make one colour of two that cover few pixels.
    """
    image = Image.open(drawn).convert("RGB")
    if image.width > WIDEST:
        height = round(image.height * WIDEST / image.width)
        image = image.resize((WIDEST, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small = image.quantize(COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    small.save(buffer, "PNG", optimize=True)
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(buffer.getvalue())


def main() -> None:
    """Make the pictures of the pages that are named, or all."""
    words = dict(word.partition("=")[::2] for word in sys.argv[1:] if "=" in word)
    found = pages([word for word in sys.argv[1:] if "=" not in word])
    if not found:
        sys.exit(f"lecture: no page of docs/lecture has one of these names: {sys.argv[1:]}")
    output_dir = Path(words.get("output_dir", ROOT / "outputs" / "lecture"))
    for page in found:
        save_small(give(page, output_dir), page.picture)
        print(page.picture.relative_to(ROOT), flush=True)


if __name__ == "__main__":
    main()
