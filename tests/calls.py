"""Our commands called without fixtures, for tests that call them thousands of times."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

PATIENCE = 600
"""Seconds until a process hangs: far more than it takes on a machine that is busy."""


def call(main: Callable[[], None], *argv: str) -> tuple[int, str, str]:
    """Run a main with a command line; gives status, standard output and standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    status = 0
    with patch.object(sys, "argv", list(argv)), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
    return status, *(stream.buffer.getvalue().decode() for stream in (out, err))


def refusal(main: Callable[[], None], *argv: str) -> str:
    """Hold a command to refusing its words as it should, and give what it says."""
    status, _, err = call(main, *argv)
    assert status == 2, (status, err)
    check_lines(err, argv[0])
    return err


def check_lines(text: str, name: str) -> None:
    """Hold an error to lines that begin with the command's name and say something."""
    lines = text.splitlines()
    assert lines
    for line in lines:
        said = line.removeprefix(f"{name}: ")
        assert said != line, text
        assert said.strip(), text
    assert "Traceback" not in text


def listing(folder: Path) -> dict[str, bytes | None]:
    """Give every path below a folder, links not followed, with the content of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else None
        for path in folder.rglob("*")
    }
