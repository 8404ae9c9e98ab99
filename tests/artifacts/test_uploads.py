"""Files through the API: stored under the hash of their bytes, stripped of metadata, or refused."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from PIL import Image, PngImagePlugin
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from backend.settings import Settings

pytestmark = pytest.mark.each_database

SignIn = Callable[..., Client]
RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def picture(kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = "SECRET-CAMERA"
    made[0x0112] = orientation
    return made


def sound(kind: str, seconds: float = 0.5) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.sin(np.linspace(0, 400, int(8000 * seconds))), 8000, format=kind)
    return out.getvalue()


def refused(client: Client, data: bytes, media_type: str = "application/octet-stream") -> ApiError:
    with pytest.raises(ApiError) as caught:
        client.artifacts.upload(data, media_type)
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_picture_without_metadata_is_stored_byte_for_byte(sign_in: SignIn, kind: str) -> None:
    client, data = sign_in("data_scientist"), picture(kind)
    found = client.artifacts.upload(data)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.kind, found.width, found.height, found.is_new, found.is_stripped) == ("image", 60, 40, True, False)
    assert found.media_type == f"image/{kind.lower()}"
    assert client.artifacts.download(found.sha256) == data
    with Image.open(io.BytesIO(client.artifacts.thumbnail(found.sha256))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (60, 40))


def test_thumbnail_is_at_most_256_pixels(sign_in: SignIn) -> None:
    client = sign_in("admin")
    out = io.BytesIO()
    Image.new("L", (1024, 512), 90).save(out, "PNG")
    with Image.open(io.BytesIO(client.artifacts.thumbnail(client.artifacts.upload(out.getvalue()).sha256))) as small:
        assert small.size == (256, 128)


def test_sixteen_bit_picture_has_a_thumbnail_of_its_greys(sign_in: SignIn) -> None:
    client = sign_in("admin")
    out = io.BytesIO()
    Image.fromarray(np.full((20, 20), 32768, dtype=np.uint16)).save(out, "PNG")
    with Image.open(io.BytesIO(client.artifacts.thumbnail(client.artifacts.upload(out.getvalue()).sha256))) as small:
        assert abs(np.asarray(small.convert("L")).mean() - 128) < 3


def test_same_bytes_twice_answer_200_and_the_same_name(sign_in: SignIn) -> None:
    client, data = sign_in("admin"), picture()
    first = client.transport.request("POST", "/v1/artifacts", content=data)
    again = client.transport.request("POST", "/v1/artifacts", content=data)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["sha256"] == again.json()["sha256"]
    assert again.json()["is_new"] is False


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_metadata_leaves_and_no_pixel_changes(sign_in: SignIn, kind: str) -> None:
    client, data = sign_in("admin"), picture(kind, exif=exif(), **({"lossless": True} if kind == "WEBP" else {}))
    assert b"SECRET-CAMERA" in data
    found = client.artifacts.upload(data)
    stored = client.artifacts.download(found.sha256)
    assert found.is_stripped
    assert b"SECRET-CAMERA" not in stored
    assert hashlib.sha256(stored).hexdigest() == found.sha256
    with Image.open(io.BytesIO(stored)) as after, Image.open(io.BytesIO(data)) as before:
        assert np.array_equal(np.asarray(after.convert("RGB")), np.asarray(before.convert("RGB")))
        assert len(after.getexif()) == 0


def test_text_chunks_and_bytes_after_the_end_leave(sign_in: SignIn) -> None:
    client = sign_in("admin")
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "SECRET", zip=False)
    data = picture(pnginfo=info) + b"PK\x03\x04 hidden archive"
    stored = client.artifacts.download(client.artifacts.upload(data).sha256)
    assert b"SECRET" not in stored
    assert b"hidden" not in stored
    jpeg = picture("JPEG") + b"trailing secret"
    assert b"trailing" not in client.artifacts.download(client.artifacts.upload(jpeg).sha256)


def test_picture_that_exif_turns_is_stored_turned(sign_in: SignIn) -> None:
    client = sign_in("admin")
    found = client.artifacts.upload(picture("PNG", exif=exif(orientation=6)))
    assert (found.width, found.height, found.is_stripped) == (40, 60, True)
    with Image.open(io.BytesIO(client.artifacts.download(found.sha256))) as turned:
        assert np.array_equal(np.asarray(turned), np.rot90(PIXELS, k=-1))


def test_colour_profile_of_a_jpeg_stays(sign_in: SignIn) -> None:
    client = sign_in("admin")
    data = picture("JPEG", icc_profile=b"profile bytes" * 20, exif=exif(), progressive=True)
    with Image.open(io.BytesIO(client.artifacts.download(client.artifacts.upload(data).sha256))) as after:
        assert after.info["icc_profile"] == b"profile bytes" * 20
        after.load()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_cut_off_picture_is_refused(sign_in: SignIn, kind: str, share: float) -> None:
    data = picture(kind)
    error = refused(sign_in("admin"), data[: int(len(data) * share)])
    assert (error.status, error.code) == (422, "broken_file")


def test_bomb_is_refused_before_it_is_decoded(sign_in: SignIn) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")
    error = refused(sign_in("admin"), bomb)
    assert (error.status, error.code) == (413, "too_many_pixels")


@pytest.mark.parametrize(
    ("data", "media_type", "status", "code"),
    [
        (b"", "image/png", 400, "empty_file"),
        (b"\x89PNG\r\n\x1a\nno picture at all", "image/png", 422, "broken_file"),
        (b"\xff\xd8\xff\xe0 neither", "image/jpeg", 422, "broken_file"),
        (b"plain words", "image/png", 415, "unknown_kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415, "unknown_kind"),
        (b"  <SVG onload=alert(1)>", "text/plain", 415, "markup"),
        (b"<?xml version='1.0'?><svg/>", "", 415, "markup"),
        (b"<!DOCTYPE html><script>", "text/plain", 415, "markup"),
        (b"GIF89a" + bytes(50), "image/gif", 415, "unknown_kind"),
        (b"II*\x00" + bytes(50), "image/tiff", 415, "unknown_kind"),
        (b"\x00\x01\x02\xff", "application/octet-stream", 415, "unknown_kind"),
        (b"a\x00b", "text/plain", 422, "broken_file"),
        ("Bo mạch".encode("utf-16"), "text/plain", 415, "unknown_kind"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav", 422, "broken_file"),
        (b"fLaC nothing", "audio/flac", 422, "broken_file"),
        (b"OggS nothing", "audio/ogg", 422, "broken_file"),
    ],
)
def test_file_that_is_not_what_it_should_be_is_refused(
    sign_in: SignIn, data: bytes, media_type: str, status: int, code: str
) -> None:
    error = refused(sign_in("admin"), data, media_type)
    assert (error.status, error.code) == (status, code)


def test_moving_picture_is_refused(sign_in: SignIn) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    assert refused(sign_in("admin"), out.getvalue()).code == "animated"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_sound_is_stored_with_its_length(sign_in: SignIn, kind: str) -> None:
    client, data = sign_in("admin"), sound(kind)
    found = client.artifacts.upload(data)
    assert (found.kind, found.media_type) == ("audio", f"audio/{kind.lower()}")
    assert found.duration_s == pytest.approx(0.5, abs=0.01)
    assert client.artifacts.download(found.sha256) == data


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_cut_off_sound_is_refused(sign_in: SignIn, kind: str) -> None:
    data = sound(kind)
    assert refused(sign_in("admin"), data[: len(data) // 2]).code == "broken_file"


def test_vietnamese_text_comes_back_as_text(sign_in: SignIn) -> None:
    client = sign_in("admin")
    data = "Chập mạch ở góc trái.\n".encode()
    found = client.artifacts.upload(data, "text/plain")
    answer = client.transport.request("GET", f"/v1/artifacts/{found.sha256}")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == data


def test_download_is_cacheable_for_ever_and_harmless_in_a_browser(sign_in: SignIn) -> None:
    client = sign_in("admin")
    path = f"/v1/artifacts/{client.artifacts.upload(picture()).sha256}"
    headers = client.transport.request("GET", path).headers
    assert headers["content-type"] == "image/png"
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    again = client.transport.http.get(path, headers={"If-None-Match": headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_form_upload_stores_the_same_bytes(sign_in: SignIn) -> None:
    client, data = sign_in("admin"), picture()
    answer = client.transport.request("POST", "/v1/artifacts", files={"file": ("a.png", data, "image/png")})
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()
    with pytest.raises(ApiError) as caught:
        client.transport.request("POST", "/v1/artifacts", files={"other": ("a.png", data, "image/png")})
    assert (caught.value.status, caught.value.code) == (400, "no_file")


@pytest.mark.parametrize("name", ["0" * 64, "absent", "..%2f..%2fetc%2fpasswd", "%00"])
def test_name_of_no_file_is_refused_alike_on_both_databases(sign_in: SignIn, name: str) -> None:
    for path in (f"/v1/artifacts/{name}", f"/v1/artifacts/{name}/thumbnail", f"/v1/artifacts/{name}/meta"):
        with pytest.raises(ApiError) as caught:
            sign_in("admin").transport.request("GET", path)
        assert caught.value.status == (400 if name == "%00" else 404)


class TestSmallLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        small = {"max_artifact_bytes": 5_000, "max_image_pixels": 1_000, "max_audio_seconds": 0.1, "max_text_bytes": 50}
        return settings.model_copy(update=small)

    def test_each_limit_answers_413_and_nothing_is_stored(self, sign_in: SignIn, app: TestClient) -> None:
        client = sign_in("admin")
        few_bytes = io.BytesIO()
        Image.new("L", (60, 40)).save(few_bytes, "PNG")
        assert refused(client, picture("BMP")).code == "too_large"
        assert refused(client, few_bytes.getvalue()).code == "too_many_pixels"
        assert refused(client, sound("OGG", 0.3)).code == "too_long"
        assert refused(client, b"x" * 51, "text/plain").status == 413
        with pytest.raises(ApiError) as caught:
            client.transport.request("POST", "/v1/artifacts", files={"file": ("a.bmp", picture("BMP"), "image/bmp")})
        assert caught.value.status == 413
