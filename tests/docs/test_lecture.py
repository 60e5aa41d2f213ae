"""The pages of the lecture: what each has, and that its commands make its picture."""

import re
from importlib.util import find_spec

import pytest
from PIL import Image

import lecture
from rnnlab.plots.files import can_draw
from tests.small_runs import SMALL

PAGES = lecture.pages()
IDS = [page.path.stem for page in PAGES]
LARGEST = 300_000  # bytes of a picture
LESS = [*SMALL, "data.train_size=null", "scheduler=constant"]
MADE = [page for page in PAGES if page.commands[0][0] == "rnnlab-train"]  # others: the gallery's
NEEDS = {"caption_attention": "sklearn", "next_pixel_lstm": "sklearn"}


def test_the_lecture_lists_its_pages_in_order():
    titles = [page.path.read_text(encoding="utf-8").splitlines()[0][2:] for page in PAGES]
    listed = [
        f"{number}. [{title}]({page.path.name})"
        for number, (title, page) in enumerate(zip(titles, PAGES, strict=True), 1)
    ]
    index = (lecture.LECTURE / "index.md").read_text(encoding="utf-8")
    assert "\n".join(listed) in index


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_a_page_has_idea_equation_picture_and_what_to_change(page):
    text = page.path.read_text(encoding="utf-8")
    assert re.match(r"# \S.*\n\n\S", text)
    assert text.count("$$\n") >= 2
    assert "\n## Change it\n" in text
    with Image.open(page.picture) as picture:
        assert picture.width >= 600
    assert page.picture.stat().st_size <= LARGEST


@pytest.mark.thorough
@pytest.mark.skipif(not can_draw() or find_spec("scipy") is None, reason="it draws")
@pytest.mark.parametrize("page", MADE, ids=[page.path.stem for page in MADE])
def test_the_commands_of_a_page_make_its_picture(page, tmp_path):
    words = " ".join(" ".join(command) for command in page.commands)
    for name, package in NEEDS.items():
        if name in words and find_spec(package) is None:
            pytest.skip(f"it needs {package}")
    assert lecture.give(page, tmp_path, LESS, seconds=2).is_file()
