"""Files by the SHA-256 of their bytes, in a folder or a bucket through fsspec. Thumbnails lie beside them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import fsspec

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 2**20


class ArtifactStore:
    """A content-addressed store. The same bytes have the same name, so nothing is ever overwritten.

    `uri` is a folder ("/data/artifacts") or any address that fsspec knows ("s3://bucket/artifacts").
    """

    def __init__(self, uri: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(str(uri))
        self.is_local: bool = "file" in _protocols(self._fs)
        self._root: str = root.rstrip("/")
        self._cache = Path(tempfile.gettempdir()) / f"soi-artifacts-{os.getuid()}"

    def put(self, data: bytes | BinaryIO) -> str:
        """Store bytes, or a stream read to its end; returns the SHA-256. On a disk they are fsynced."""
        if isinstance(data, bytes):
            sha256 = hashlib.sha256(data).hexdigest()
            if not self.exists(sha256):
                self._write(self._key(sha256), [data])
            return sha256
        with tempfile.TemporaryFile() as spooled:
            digest = hashlib.sha256()
            for chunk in _chunks(data):
                digest.update(chunk)
                spooled.write(chunk)
            spooled.seek(0)
            sha256 = digest.hexdigest()
            if not self.exists(sha256):
                self._write(self._key(sha256), _chunks(spooled))
            return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes; FileNotFoundError when there are none."""
        data: bytes = self._fs.cat_file(self._key(sha256))
        return data

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """A readable binary file."""
        with self._fs.open(self._key(sha256), "rb") as file:
            yield file

    def path(self, sha256: str) -> Path:
        """A local file with the bytes: the stored one, or for a bucket a checked copy in the machine's cache."""
        if self.is_local:
            found = Path(self._key(sha256))
            if not found.is_file():
                raise FileNotFoundError(sha256)
            return found
        cached = self._cache / sha256
        if not cached.is_file() or _hash_file(cached) != sha256:
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_file(cached, [self.get(sha256)])
        return cached

    def exists(self, sha256: str) -> bool:
        return bool(self._fs.exists(self._key(sha256)))

    def size(self, sha256: str) -> int:
        return int(self._fs.size(self._key(sha256)))

    def delete(self, sha256: str) -> None:
        """Remove the bytes and their thumbnail; no error when they are absent."""
        for key in (self._key(sha256), self._thumbnail_key(sha256)):
            if self._fs.exists(key):
                self._fs.rm_file(key)

    def put_thumbnail(self, sha256: str, data: bytes) -> None:
        self._write(self._thumbnail_key(sha256), [data])

    def get_thumbnail(self, sha256: str) -> bytes:
        data: bytes = self._fs.cat_file(self._thumbnail_key(sha256))
        return data

    def _key(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise FileNotFoundError("not a SHA-256 name")
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _thumbnail_key(self, sha256: str) -> str:
        return self._key(sha256) + ".webp"

    def _write(self, key: str, chunks: Iterator[bytes] | list[bytes]) -> None:
        if self.is_local:
            _write_file(Path(key), chunks)
            return
        with self._fs.open(key, "wb") as file:
            for chunk in chunks:
                file.write(chunk)


def _protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_file(path: Path, chunks: Iterator[bytes] | list[bytes]) -> None:
    """Write beside the place, fsync, rename: a reader or a crash never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
