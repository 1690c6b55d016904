"""Scans of amount boxes: grey PNG pictures, 8 pixels high, 8 wide per digit.

The scanned digits have 17 shades, 0 (paper) to 16 (ink). They become 255 - 15 * shade, dark ink on white paper, so
that the picture looks like the cheque and the shades come back exactly.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Shades = NDArray[np.float64]

SIDE = 8
"""Pixels of one digit's side."""

SHADE = 15
"""Grey levels between two shades."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(digits: Shades) -> bytes:
    """A picture of digits side by side; `digits` has one row of 64 shades per digit."""
    box = digits.reshape(-1, SIDE, SIDE).transpose(1, 0, 2).reshape(SIDE, -1)
    grey = (255 - SHADE * box).astype(np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in grey)
    header = struct.pack(">IIBBBBB", grey.shape[1], SIDE, 8, 0, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")


def shades(picture: bytes) -> Shades:
    """The digits of a picture, one row of 64 shades each. Raises ValueError for anything that `png` did not make."""
    if picture[:8] != _SIGNATURE or picture[12:16] != b"IHDR":
        raise ValueError("the box is not a PNG picture")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", picture[16:29])
    if (height, depth, colour, interlaced) != (SIDE, 8, 0, 0) or width % SIDE or not 0 < width <= 32 * SIDE:
        raise ValueError(f"the box is not a row of grey digits {SIDE} pixels high")
    packed, at = b"", 8
    while at + 8 <= len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            packed += picture[at + 8 : at + 8 + length]
        at += 12 + length
    unpacking = zlib.decompressobj()
    lines = np.frombuffer(unpacking.decompress(packed, SIDE * (width + 1) + 1), dtype=np.uint8)
    if lines.size != SIDE * (width + 1) or lines.reshape(SIDE, -1)[:, 0].any():
        raise ValueError("the box is damaged or uses PNG filters")
    grey = lines.reshape(SIDE, -1)[:, 1:].astype(np.float64)
    return ((255 - grey) / SHADE).reshape(SIDE, -1, SIDE).transpose(1, 0, 2).reshape(-1, SIDE * SIDE)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
