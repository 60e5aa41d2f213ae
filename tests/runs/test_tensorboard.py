"""Pictures are encoded as PNG without loss."""

import io

import numpy as np
import pytest
from PIL import Image

from rnnlab.runs.tensorboard import png


@pytest.mark.parametrize("size", [(1, 1), (7, 1), (1, 5), (40, 30)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_picture_is_read_back_as_it_was(size, mode):
    noise = np.random.default_rng(0).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise).convert(mode)
    read = Image.open(io.BytesIO(png(picture)))
    read.load()
    assert (read.format, read.mode, read.size) == ("PNG", "RGB", size)
    assert (np.asarray(read) == np.asarray(picture.convert("RGB"))).all()
