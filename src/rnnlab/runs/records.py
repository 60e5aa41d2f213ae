"""The TFRecord format of TensorBoard's event files: length, its checksum, data, its checksum.

TensorBoard's own writer computes checksums in a Python loop over bytes. Here numpy computes those
of many records at once: CRC-32C is linear, so that the checksum is the XOR of a table's values at
each byte and its distance from the end.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024  # bytes that the table covers; longer data is cut into blocks from its end
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, with reversed bits
_ONES = 0xFFFFFFFF
_LENGTH, _CRC = 8, 4  # bytes
_HEADER = _LENGTH + _CRC


def framed(records: Sequence[bytes]) -> bytes:
    """Frame records as TFRecords."""
    if not records:
        return b""
    lengths = [len(record).to_bytes(8, "little") for record in records]
    checksums = [_masked(crc) for crc in crc32c([*lengths, *records])]
    of_lengths, of_records = checksums[: len(records)], checksums[len(records) :]
    frames = zip(lengths, of_lengths, records, of_records, strict=True)
    return b"".join(part for frame in frames for part in frame)


def unframed(data: bytes) -> tuple[list[bytes], int]:
    """Parse TFRecords, the inverse of `framed`; damaged ones are skipped.

    Returns:
        The intact records, and the number of gaps between them.
    """
    records, gaps, position, broken = [], 0, 0, False
    while position < len(data):
        end = _end_of_record(data, position)
        if end is not None:
            records.append(data[position + _HEADER : end - _CRC])
            position, broken = end, False
            continue
        gaps += not broken
        position, broken = _next_header(data, position + 1), True
    return records, gaps


def _end_of_record(data: bytes, position: int) -> int | None:
    """Return the end of the intact record at a position, or `None` if there is none."""
    header = data[position : position + _HEADER]
    end = position + _HEADER + int.from_bytes(header[:_LENGTH], "little") + _CRC
    if len(header) < _HEADER or end > len(data) or not _matches(header[:_LENGTH], header[_LENGTH:]):
        return None
    return end if _matches(data[position + _HEADER : end - _CRC], data[end - _CRC : end]) else None


def _next_header(data: bytes, position: int) -> int:
    """Return the next position of a length with its right checksum, or the end."""
    values = np.frombuffer(data, np.uint8)[position:]
    if len(values) < _HEADER:
        return len(data)
    zeros = values[: len(values) - _CRC] == 0  # a length below 2**32 has four zero bytes
    high = zeros[4:-4] & zeros[5:-3] & zeros[6:-2] & zeros[7:-1]
    for start in (position + np.flatnonzero(high)).tolist():
        if _matches(data[start : start + _LENGTH], data[start + _LENGTH : start + _HEADER]):
            return int(start)
    return len(data)


def _matches(text: bytes, checksum: bytes) -> bool:
    return len(text) < 4 or _masked(crc32c([text])[0]) == checksum


def crc32c(texts: Sequence[bytes]) -> list[int]:
    """Return the CRC-32C of each text, all of 4 bytes or more."""
    data = np.frombuffer(b"".join(texts), np.uint8).copy()
    lengths = np.array([len(text) for text in texts])
    ends = lengths.cumsum()
    begins = ends - lengths
    data[begins[:, None] + np.arange(4)] ^= 0xFF  # the register starts as all ones
    distances = (np.repeat(ends, lengths) - 1 - np.arange(len(data))) % _BLOCK
    is_first = distances == _BLOCK - 1
    is_first[begins] = True
    tables = _tables()
    parts = np.bitwise_xor.reduceat(tables[distances, data], np.flatnonzero(is_first)).tolist()
    found, tables_of_register = [], tables[:-5:-1].tolist()
    upto = 0
    for blocks in np.add.reduceat(is_first, begins, dtype=int).tolist():
        register = parts[upto]
        for part in parts[upto + 1 : upto + blocks]:
            shifted = zip(tables_of_register, register.to_bytes(4, "little"), strict=True)
            register = part
            for table, byte in shifted:
                register ^= table[byte]
        found.append(register ^ _ONES)
        upto += blocks
    return found


@cache
def _tables() -> NDArray[np.uint32]:
    """Return each byte's contribution to the checksum, `(distance from the end, byte)`."""
    table = np.array([_after_byte(value) for value in range(256)], np.uint32)
    tables = [table]
    for _ in range(_BLOCK - 1):
        tables.append((tables[-1] >> 8) ^ table[tables[-1] & 0xFF])
    return np.stack(tables)


def _after_byte(register: int) -> int:
    for _ in range(8):
        register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register


def _masked(crc: int) -> bytes:
    """Rotate a checksum and add a constant, as the format requires."""
    rotated = (crc >> 15 | crc << 17) & _ONES
    return ((rotated + 0xA282EAD8) & _ONES).to_bytes(4, "little")
