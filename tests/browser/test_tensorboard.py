"""TensorBoard on real runs, in a real browser: every page has what a person looks for.

Needs `pip install 'rnnlab[browser,analysis]'` and a Chromium, on the PATH or from
`playwright install chromium`; skips itself without. Screenshots go to outputs/browser/.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from playwright.sync_api import Browser, Page, expect, sync_playwright

import rnnlab
from rnnlab.analysis.run import analyze_run
from rnnlab.cli.report import main as report
from tests.calls import call
from tests.small_runs import tiny

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "outputs" / "browser"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 30_000  # milliseconds; the machine may be busy
LEARNS = ["trainer.max_steps=40", "trainer.val_every=20", "trainer.log_every=5", "watch_every=10"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short runs of a sweep, one of them analysed, and the sweep's report."""
    directory = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        run = rnnlab.train([*tiny(directory, *LEARNS, f"seed={seed}", "watch=full")])
    analyze_run(run, ["states", "lengths"], [], [], "best", everything=True)
    status, _, err = call(report, "rnnlab-report", str(directory))
    assert status == 0, err
    return directory


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/data/plugins_listing")
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        if found is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium")
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield page
    page.close()


def keep(page: Page, name: str) -> None:
    """Keep a screenshot, once charts have been drawn."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(2000)
    page.screenshot(path=SHOTS / f"{name}.png")


def visit(page: Page, address: str, tab: str) -> None:
    page.goto(f"{address}/#{tab}")
    page.reload()  # the address beyond # is read at the start alone


def test_scalars_of_training_validation_and_watching(page: Page, server: str) -> None:
    visit(page, server, "timeseries")
    for tag in ("train/loss", "val/loss", "watch/horizon"):
        page.get_by_role("combobox", name="Filter tags (regex)").fill(f"^{tag}$")
        expect(page.get_by_text("Tags matching filter")).to_be_visible()
        expect(page.get_by_text(tag.partition("/")[2], exact=False).first).to_be_visible()
    page.get_by_role("combobox", name="Filter tags (regex)").fill("")
    keep(page, "time_series")


def test_charts_of_what_belongs_together(page: Page, server: str) -> None:
    visit(page, server, "custom_scalars")
    for title in ("loss", "norm before and after clipping", "spectral radius of a step"):
        expect(page.get_by_text(title, exact=True).first).to_be_visible()
    keep(page, "custom_scalars")


def test_pictures_of_training_and_of_analyses(page: Page, server: str) -> None:
    visit(page, server, "images")
    for tag in ("val/picture", "watch/gradient_over_training", "watch/states_network", "lengths"):
        page.get_by_role("textbox", name="Filter tags").fill(f"^{tag}$")
        expect(page.get_by_text(f"tag: {tag}").first).to_be_visible()
    page.get_by_role("textbox", name="Filter tags").fill("watch|states")
    keep(page, "images")


def test_sample_texts(page: Page, server: str) -> None:
    visit(page, server, "text")
    expect(page.get_by_text("val/samples").first).to_be_visible()
    expect(page.get_by_text("target").first).to_be_attached()
    keep(page, "text")


def test_settings_and_scores_side_by_side(page: Page, server: str) -> None:
    visit(page, server, "hparams")
    expect(page.get_by_text("seed").first).to_be_visible()
    for column in ("model", "task", "optimizer.lr", "loss"):
        expect(page.get_by_text(column, exact=True).first).to_be_attached()
    keep(page, "hparams")


def test_states_in_the_projector(page: Page, server: str) -> None:
    visit(page, server, "projector")
    inside = page.frame_locator("iframe").frame_locator("iframe")
    expect(inside.get_by_text("Points:").first).to_be_visible()
    expect(inside.get_by_text("symbol").first).to_be_attached()
    keep(page, "projector")
