import subprocess
from pathlib import Path

from rnnlab.runs.environment import checkout


def git(directory: Path, *words: str) -> str:
    us = ["-c", "user.name=us", "-c", "user.email=us@here"]
    done = subprocess.run(["git", *us, *words], cwd=directory, capture_output=True, check=True)
    return done.stdout.decode().strip()


def state(file: Path) -> dict | None:
    checkout.cache_clear()
    return checkout(file)


def test_only_what_can_change_a_result_makes_a_checkout_dirty(tmp_path):
    code, page = tmp_path / "src" / "code.py", tmp_path / "docs" / "page.md"
    for file in (code, page):
        file.parent.mkdir()
        file.write_text("one\n")
    assert state(code) is None
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "One")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert state(code) == {"commit": commit, "dirty": False}
    page.write_text("two\n")
    assert state(code) == {"commit": commit, "dirty": False}
    code.write_text("two\n")
    assert state(code) == {"commit": commit, "dirty": True}
    code.write_text("one\n")
    (code.parent / "new.py").touch()
    assert state(code) == {"commit": commit, "dirty": True}


def test_a_copy_installed_in_a_foreign_checkout_is_of_no_commit(tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-qm", "Theirs", "--allow-empty")
    installed = tmp_path / "environment.py"
    installed.touch()
    assert state(installed) is None
