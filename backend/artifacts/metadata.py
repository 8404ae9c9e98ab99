"""Takes metadata (EXIF, XMP, comments, trailing bytes) out of image files without touching a pixel. Pure."""

from __future__ import annotations

import re
import struct

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks that change how pixels look; all others are dropped.
_PNG_KEPT = frozenset(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs cICP mDCV cLLI".split())
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def strip_metadata(data: bytes, media_type: str) -> bytes:
    """The same picture without metadata; ValueError when the file's structure is broken.

    JPEG keeps APP0 (density), ICC profiles and Adobe's colour transform; PNG keeps colour and transparency
    chunks; WebP keeps ICC profiles. The compressed pixels are copied as they are.
    """
    strip = {"image/png": _strip_png, "image/jpeg": _strip_jpeg, "image/webp": _strip_webp}.get(media_type)
    if strip is None:
        return data
    stripped = strip(data)
    return data if stripped == data else stripped


def _strip_png(data: bytes) -> bytes:
    kept, position = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        end = position + 12 + size
        kind = data[position + 4 : position + 8]
        if end > len(data):
            break
        if kind in _PNG_KEPT:
            kept.append(data[position:end])
        if kind == b"IEND":
            return b"".join(kept)
        position = end
    raise ValueError("the PNG ends early")


def _strip_jpeg(data: bytes) -> bytes:
    kept, position = [data[:2]], 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ValueError("the JPEG has bytes between its segments")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0xD9:
            return b"".join([*kept, b"\xff\xd9"])
        if marker in _STANDALONE:
            kept.append(data[position : position + 2])
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if end > len(data):
            break
        if _keeps_jpeg(marker, data[position + 4 : position + 18]):
            kept.append(data[position:end])
        if marker == 0xDA:
            found = _JPEG_MARKER.search(data, end)
            scan_end = found.start() if found else len(data)
            kept.append(data[end:scan_end])
            end = scan_end
        position = end
    if data[position : position + 2] == b"\xff\xd9":
        return b"".join([*kept, b"\xff\xd9"])
    raise ValueError("the JPEG ends early")


def _keeps_jpeg(marker: int, start: bytes) -> bool:
    if marker == 0xE2:
        return start.startswith(b"ICC_PROFILE\x00")
    if marker == 0xEE:
        return start.startswith(b"Adobe")
    return marker == 0xE0 or not (0xE1 <= marker <= 0xEF or marker == 0xFE)


def _strip_webp(data: bytes) -> bytes:
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("not a WebP")
    limit = 8 + int.from_bytes(data[4:8], "little")
    if limit > len(data):
        raise ValueError("the WebP ends early")
    kept, position = [], 12
    while position + 8 <= limit:
        kind = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        end = position + 8 + size + size % 2
        if end > limit + 1:
            raise ValueError("the WebP ends early")
        chunk = data[position:end]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~0x0C]) + chunk[9:]  # 0x08: has EXIF, 0x04: has XMP
        if kind in {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}:
            kept.append(chunk)
        position = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
