import numpy as np

from rnnlab.plots.gallery import gallery


def test_a_caption_wider_than_its_picture_is_whole() -> None:
    image = gallery(np.zeros((2, 4, 4)), ["nothing to be seen at all"] * 2, title="", size=40)
    ink = np.asarray(image.convert("L")) < 128
    assert ink.any()
    assert not ink[:, :8].any()
    assert not ink[:, -8:].any()


def test_a_picture_stands_over_the_middle_of_its_caption() -> None:
    image = np.asarray(gallery(np.ones((1, 4, 4)), ["mmmmmmmmmmmm"], title="", size=40))
    dark = np.asarray(image).mean(axis=2) < 128
    (picture,), (caption,) = (
        [np.flatnonzero(part.any(axis=0))] for part in (dark[44:84], dark[86:])
    )
    assert abs(picture.mean() - caption.mean()) < 3
