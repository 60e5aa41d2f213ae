"""TFRecords as TensorBoard reads and writes them."""

import io

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.summary.writer.record_writer import RecordWriter

from rnnlab.runs.records import crc32c, framed, unframed


def texts(*lengths: int) -> list[bytes]:
    return [np.random.default_rng(length).bytes(length) for length in lengths]


def test_a_checksum_is_that_of_the_standard():
    assert crc32c([b"123456789", bytes(32), b"\xff" * 32]) == [0xE3069283, 0x8A9136AA, 0x62A8AB43]


@pytest.mark.parametrize(
    "lengths", [[4], [1023, 1024, 1025], [5000], [1026, 8, 3072, 4, 77], range(4, 90)]
)
def test_records_are_those_that_tensorboard_writes(lengths):
    theirs = io.BytesIO()
    writer = RecordWriter(theirs)
    for text in texts(*lengths):
        writer.write(text)
    assert framed(texts(*lengths)) == theirs.getvalue()


def test_tensorboard_reads_them_back(tmp_path):
    (tmp_path / "events").write_bytes(framed(texts(9, 2000, 10)))
    assert list(RawEventFileLoader(str(tmp_path / "events")).Load()) == texts(9, 2000, 10)


def test_no_records_are_no_bytes():
    assert framed([]) == b""


def test_records_are_read_back():
    assert unframed(framed(texts(9, 2000, 10))) == (texts(9, 2000, 10), 0)
    assert unframed(b"") == ([], 0)


@pytest.mark.parametrize("place", ["length", "its_checksum", "content", "checksum"])
def test_records_behind_a_damaged_one_are_found(place):
    first, second, third = texts(9, 2000, 10)
    at = {"length": 0, "its_checksum": 9, "content": 500, "checksum": 2013}[place]
    data = bytearray(framed([first, second, third]))
    data[9 + 16 + at] ^= 1
    assert unframed(bytes(data)) == ([first, third], 1)


def test_a_torn_end_and_garbage_are_gaps():
    first, second = texts(9, 200)
    data = framed([first, second])
    assert unframed(data[:-5]) == ([first], 1)
    assert unframed(bytes(77) + data + bytes(5) + data) == ([first, second] * 2, 2)
    assert unframed(np.random.default_rng(0).bytes(10_000)) == ([], 1)
