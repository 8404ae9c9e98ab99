"""The content-addressed store on a folder and on a bucket-like filesystem."""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path

import pytest

from db.artifact_store import ArtifactStore


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return ArtifactStore(str(tmp_path / "files") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/files")


def test_bytes_and_streams_have_the_name_of_their_hash(store: ArtifactStore) -> None:
    data = b"light" * 1_000_000
    sha256 = hashlib.sha256(data).hexdigest()
    assert store.put(data) == store.put(io.BytesIO(data)) == sha256
    assert store.get(sha256) == data
    assert store.path(sha256).read_bytes() == data
    assert store.size(sha256) == len(data)
    with store.open(sha256) as file:
        assert file.read(5) == b"light"


def test_deleted_file_is_gone_with_its_thumbnail(store: ArtifactStore) -> None:
    sha256 = store.put(b"x")
    store.put_thumbnail(sha256, b"small")
    assert store.get_thumbnail(sha256) == b"small"
    store.delete(sha256)
    store.delete(sha256)
    assert not store.exists(sha256)
    with pytest.raises(FileNotFoundError):
        store.get(sha256)
    with pytest.raises(FileNotFoundError):
        store.get_thumbnail(sha256)


@pytest.mark.parametrize("name", ["../secret", "A" * 64, "", "0" * 63, "0" * 64 + "/.."])
def test_name_that_is_no_hash_is_never_a_path(store: ArtifactStore, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        store.get(name)


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "files"))

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the sender is gone")

    with pytest.raises(OSError, match="gone"):
        store.put(Broken())
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
