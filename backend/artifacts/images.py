"""Checks pictures: known format, whole, not too many pixels; takes metadata out and makes the thumbnail."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from backend.artifacts.metadata import strip_metadata
from backend.errors import Invalid, TooLarge, UnsupportedMediaType

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "BMP": "image/bmp"}
THUMBNAIL_PIXELS = 256
_ORIENTATION = 0x0112
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, IndexError, KeyError, EOFError, ZeroDivisionError)


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """What is stored of a picture. `data` is what was sent, unless metadata had to go."""

    data: bytes
    media_type: str
    width: int
    height: int
    thumbnail: bytes


def check_image(data: bytes, max_pixels: int) -> CheckedImage:
    """Decode a picture once, completely, and return what to store.

    Metadata (EXIF with its positions and serial numbers, XMP, comments) is removed without decoding, so pixels
    stay exactly as sent. Only a picture that EXIF says to turn is written anew, turned: PNG, WebP and BMP without
    loss, JPEG at quality 95 without colour subsampling; so that people, models and boxes mean the same pixels.
    """
    # Ours is checked below, before decoding; Pillow's own limit is one per process, so it is only ever raised.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES)) as picture:
            if picture.width * picture.height > max_pixels:
                raise _too_many_pixels(max_pixels)
            if getattr(picture, "n_frames", 1) > 1:
                raise UnsupportedMediaType("moving pictures are not taken", code="animated")
            media_type = MEDIA_TYPES[picture.format or ""]
            picture.load()
            upright = ImageOps.exif_transpose(picture) if picture.getexif().get(_ORIENTATION, 1) != 1 else None
            shown = upright or picture
            kept = _write_anew(upright, picture) if upright else strip_metadata(data, media_type)
            return CheckedImage(kept, media_type, shown.width, shown.height, make_thumbnail(shown))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except UnidentifiedImageError as error:
        raise Invalid("this is not a picture that can be read", code="broken_file") from error
    except _BROKEN as error:
        raise Invalid("the picture is damaged or cut off", code="broken_file") from error


def make_thumbnail(picture: Image.Image) -> bytes:
    """At most 256 x 256 pixels, as WebP."""
    small = _to_eight_bits(picture)
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=80, method=2)
    return out.getvalue()


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    wanted = "RGBA" if has_alpha else ("L" if picture.mode in {"L", "1"} else "RGB")
    return picture.copy() if picture.mode == wanted else picture.convert(wanted)


def _write_anew(upright: Image.Image, picture: Image.Image) -> bytes:
    out = io.BytesIO()
    profile = picture.info.get("icc_profile")
    upright.info.clear()
    if picture.format == "JPEG":
        upright.save(out, "JPEG", quality=95, subsampling=0, icc_profile=profile)
    elif picture.format == "WEBP":
        upright.save(out, "WEBP", lossless=True, exact=True, icc_profile=profile)
    else:
        upright.save(out, picture.format or "PNG", icc_profile=profile)
    return strip_metadata(out.getvalue(), MEDIA_TYPES[picture.format or ""])


def _too_many_pixels(max_pixels: int) -> TooLarge:
    return TooLarge("the picture has too many pixels", code="too_many_pixels", details={"max_pixels": max_pixels})
