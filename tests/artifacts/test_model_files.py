"""Model files: what torch writes safely is taken, everything that could run code when loaded is refused."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.artifacts.expressions import is_plain_expression
from backend.artifacts.model_files import TORCH_EXPORT, TORCHSCRIPT, inspect_model_file
from backend.client import ApiError, Client
from backend.errors import SoiError

torch = pytest.importorskip("torch")
SignIn = Callable[..., Client]


class Small(torch.nn.Module):  # type: ignore[name-defined,misc]
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return torch.softmax(self.layer(x.reshape(x.shape[0], -1)), -1)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code ran",)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One file of each kind, as torch writes them."""
    folder = tmp_path_factory.mktemp("models")
    model = Small().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, torch.zeros(3, 4)), str(folder / "traced"))
        exported = torch.export.export(
            model, (torch.zeros(3, 4),), dynamic_shapes=({0: torch.export.Dim("n", max=64)},)
        )
        torch.export.save(exported, folder / "exported.pt2")
    torch.save(model.state_dict(), folder / "weights")
    torch.save(model, folder / "whole")
    torch.save(model.state_dict(), folder / "old", _use_new_zipfile_serialization=False)
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | None], **added: bytes) -> bytes:
    """The archive with entries changed (None drops one) and added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            body = change(entry.filename, old.read(entry))
            if body is not None:
                new.writestr(entry.filename, body)
        for name, body in added.items():
            new.writestr(name, body)
    return out.getvalue()


def inspect(data: bytes, folder: Path) -> str:
    path = folder / "model"
    path.write_bytes(data)
    return inspect_model_file(path)


def refused(data: bytes, folder: Path) -> SoiError:
    with pytest.raises(SoiError) as caught:
        inspect(data, folder)
    return caught.value


def test_torchscript_and_export_are_told_apart(files: dict[str, bytes], tmp_path: Path) -> None:
    assert inspect(files["traced"], tmp_path) == TORCHSCRIPT
    assert inspect(files["exported"], tmp_path) == TORCH_EXPORT


@pytest.mark.parametrize("name", ["weights", "whole", "old"])
def test_pickle_is_refused(files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    error = refused(files[name], tmp_path)
    assert (error.status, error.code) == (415, "unsafe_model_file")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_raw_pickle_is_refused(tmp_path: Path, protocol: int) -> None:
    assert refused(pickle.dumps(Evil(), protocol), tmp_path).status == 415


def test_pickles_hidden_in_an_export_file_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    evil = io.BytesIO()
    torch.save(Evil(), evil)

    def sample_inputs(name: str, body: bytes) -> bytes:
        return evil.getvalue() if "sample_inputs" in name else body

    def pickled_weights(name: str, body: bytes) -> bytes:
        return body.replace(b'"use_pickle": false', b'"use_pickle": true') if "weights_config" in name else body

    def keep(_: str, body: bytes) -> bytes:
        return body

    root = zipfile.ZipFile(io.BytesIO(files["exported"])).namelist()[0].split("/")[0]
    opaque = {f"{root}/data/constants/opaque_obj_0": pickle.dumps(Evil())}
    compiled = {f"{root}/data/aotinductor/model/x.so": b"\x7fELF"}
    for data in (
        rewritten(files["exported"], sample_inputs),
        rewritten(files["exported"], pickled_weights),
        rewritten(files["exported"], keep, **opaque),
        rewritten(files["exported"], keep, **compiled),
    ):
        assert refused(data, tmp_path).code == "unsafe_model_file"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("torch.ops.aten.softmax.int", "torch.os.system"),
        ("torch.ops.aten.softmax.int", "torch.ops.aten.from_file.default"),
        ("torch.ops.aten.softmax.int", "_operator.methodcaller"),
    ],
)
def test_graph_that_calls_foreign_functions_is_refused(
    files: dict[str, bytes], tmp_path: Path, old: str, new: str
) -> None:
    def change(name: str, body: bytes) -> bytes:
        return body.replace(old.encode(), new.encode()) if "/models/" in name else body

    data = rewritten(files["exported"], change)
    assert refused(data, tmp_path).code == "unsafe_model_file"


def test_size_expression_that_is_code_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    def change(name: str, body: bytes) -> bytes:
        if "/models/" not in name:
            return body
        graph = json.loads(body)
        graph["guards_code"] = ["__import__('os').system('id')"]
        return json.dumps(graph).encode()

    assert refused(rewritten(files["exported"], change), tmp_path).code == "unsafe_model_file"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "().__class__",
        "open('x')",
        "lambda: 1",
        "[x for x in y]",
        "eval('1')",
        "x.system('id')",
        "f'{x}'",
    ],
)
def test_expression_that_is_not_arithmetic_is_refused(text: str) -> None:
    assert not is_plain_expression(text)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "x\\..\\evil", "other/evil", "a//b"])
def test_archive_that_leaves_its_folder_is_refused(files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    data = rewritten(files["traced"], lambda _, body: body, **{name: b"x"})
    assert refused(data, tmp_path).code == "unsafe_model_file"


def test_archive_bomb_is_refused_quickly(files: dict[str, bytes], tmp_path: Path) -> None:
    out = io.BytesIO(files["traced"])
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        root = archive.namelist()[0].split("/")[0]
        with archive.open(f"{root}/code/bomb.py", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(2**20))
    assert refused(out.getvalue(), tmp_path).code == "unsafe_model_file"


def test_damaged_archive_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    data = files["traced"]
    assert refused(data[: len(data) // 2], tmp_path).code == "broken_file"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = next(item for item in archive.infolist() if item.filename.endswith("data/0"))
    place = (
        entry.header_offset + 30 + int.from_bytes(data[entry.header_offset + 26 : entry.header_offset + 28], "little")
    )
    place += int.from_bytes(data[entry.header_offset + 28 : entry.header_offset + 30], "little")
    flipped = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
    assert refused(flipped, tmp_path).code == "broken_file"
    assert refused(b"PK\x03\x04" + bytes(100), tmp_path).code == "broken_file"


def test_uploaded_file_becomes_a_version_of_its_own_kind_only(sign_in: SignIn, files: dict[str, bytes]) -> None:
    client = sign_in("data_scientist")
    client.models.create(name="pcb", item_kind="image")
    sha256 = client.artifacts.upload(files["traced"]).sha256
    with pytest.raises(ApiError) as caught:
        client.model_versions.create("pcb", name="v1", kind="pt2", artifact_sha256=sha256)
    assert (caught.value.status, caught.value.code) == (422, "artifact_kind")
    assert client.model_versions.create("pcb", name="v1", kind="torchscript", artifact_sha256=sha256).name == "v1"
    assert client.artifacts.download(sha256) == files["traced"]
    with pytest.raises(ApiError) as caught:
        sign_in("inspector").artifacts.download(sha256)
    assert caught.value.status == 403


def test_pickle_upload_is_refused_over_http(sign_in: SignIn, files: dict[str, bytes]) -> None:
    with pytest.raises(ApiError) as caught:
        sign_in("admin").artifacts.upload(files["whole"])
    assert (caught.value.status, caught.value.code) == (415, "unsafe_model_file")
