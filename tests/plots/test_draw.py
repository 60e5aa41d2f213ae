import numpy as np
import pytest
from PIL import Image, ImageFont

from rnnlab.plots import canvas, draw
from rnnlab.plots.draw import heat_map, join, line_plot, path_plot, sign, ticks

WAVE = np.sin(np.arange(60) / 4)
TRUTH, BLUE = (166, 166, 166), (11, 107, 203)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def ink(image: Image.Image, colour: tuple[int, int, int], tolerance: int = 40) -> int:
    """Count the pixels near a colour."""
    return int((np.abs(pixels(image) - colour).max(axis=2) < tolerance).sum())


def test_a_line_plot_shows_truth_in_grey_and_the_model_in_colour() -> None:
    shifted = line_plot({"x": {"truth": WAVE, "model": WAVE + 0.5}}, title="t", x_label="step")
    alone = line_plot({"x": {"model": WAVE}}, title="t", x_label="step")
    assert ink(shifted, TRUTH, 10) > 500
    assert ink(shifted, BLUE) > 500
    assert ink(alone, TRUTH, 10) < 200


def test_gaps_leave_no_ink() -> None:
    gap = np.where(np.arange(60) < 50, np.nan, WAVE)
    whole, part = (
        line_plot({"x": {"truth": WAVE, "model": curve}}, title="", x_label="step")
        for curve in (WAVE, gap)
    )
    assert 0 < ink(part, BLUE) < ink(whole, BLUE) / 2


def test_a_run_that_diverges_leaves_the_truth_readable() -> None:
    wild = WAVE * 10.0 ** np.arange(60)
    image = line_plot({"x": {"truth": WAVE, "model": wild}}, title="", x_label="step")
    calm = line_plot({"x": {"truth": WAVE, "model": WAVE * 3}}, title="", x_label="step")
    assert ink(image, TRUTH, 10) > ink(calm, TRUTH, 10) / 2


@pytest.mark.parametrize("curve", [np.zeros(9), np.full(9, np.nan), np.full(9, np.inf), [1.0]])
def test_curves_without_a_range_are_drawn(curve: np.ndarray) -> None:
    image = line_plot({"x": {"truth": curve, "model": curve}}, title="", x_label="step")
    assert image.size[0] == 900


def test_what_was_given_is_shaded() -> None:
    shade = (244, 241, 232)
    counts = [
        ink(line_plot({"x": {"a": WAVE}}, title="", x_label="", shade_until=until), shade, 3)
        for until in (None, 10, 20)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_a_path_has_equal_scales() -> None:
    turn = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    image = path_plot({"truth": circle, "model": circle}, title="circle")
    frame = pixels(image)[50:442, 52:444]
    rows, columns = np.nonzero(np.abs(frame - TRUTH).max(axis=2) < 10)
    height, width = np.ptp(rows), np.ptp(columns)
    assert height > 200
    assert height == pytest.approx(width, abs=3)


def test_a_heat_map_is_darkest_where_the_number_is_greatest() -> None:
    matrix = np.zeros((3, 4))
    matrix[1, 2] = 1.0
    image = heat_map(matrix, list("abc"), list("wxyz"), title="", limits=(0, 1))
    dark = ink(image, (8, 48, 107), 5)
    assert 30 * 30 < dark < 45 * 45


def test_accents_are_readable_with_or_without_a_system_font(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heat_map(np.eye(2), ["été", "où"], ["garçon", "cœur\n"], title="L'été déjà")
    with monkeypatch.context() as patch:
        patch.setattr(canvas, "_font", lambda size: ImageFont.load_default(size))
        assert canvas._writable("été, garçon, cœur") == "ete, garcon, coeur"
    assert "\n" not in canvas._writable("a\nb")


def test_joined_pictures_stand_side_by_side_or_below() -> None:
    red, blue = Image.new("RGB", (10, 20), "red"), Image.new("RGB", (30, 5), "blue")
    beside, below = join([red, blue]), join([red, blue], vertical=True)
    assert beside.size == (40, 20)
    assert below.size == (30, 25)
    assert beside.getpixel((15, 2)) == below.getpixel((5, 22)) == (0, 0, 255)


def test_a_picture_is_signed_below_it() -> None:
    image = Image.new("RGB", (300, 40), "red")
    signed = sign(image, "run x   model elman   task copy")
    assert signed.size == (300, 60)
    assert (pixels(signed)[:40] == pixels(image)).all()
    assert (pixels(signed)[40:] < 128).all(axis=2).any()


def test_amounts_have_the_same_colours_with_and_without_matplotlib() -> None:
    pytest.importorskip("matplotlib")
    from rnnlab.analysis.figures.style import shades

    shares = np.array([0, 0.2, 1 / 3, 0.5, 0.9, 1, np.nan])
    theirs = shades()(np.ma.masked_invalid(shares), bytes=True)[:, :3]
    assert np.abs(theirs.astype(int) - draw._shade(shares)).max() <= 3


def test_ticks_are_round_and_inside() -> None:
    assert ticks(-1.1, 1.1, 4) == [-1.0, 0.0, 1.0]
    assert ticks(1700, 1988, 8) == [1700, 1750, 1800, 1850, 1900, 1950]
    assert ticks(0, 0.012, 3) == pytest.approx([0, 0.005, 0.01])
