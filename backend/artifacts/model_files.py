"""Is a file a TorchScript or torch.export archive that is safe to load? Looked at as bytes, without torch.

A pickle can run any code when it is loaded, so everything that torch would unpickle is refused or checked.
"""

from __future__ import annotations

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from backend.artifacts.expressions import is_plain_expression
from backend.errors import Invalid, UnsupportedMediaType

TORCHSCRIPT = "application/x-torchscript"
TORCH_EXPORT = "application/x-torch-export"

_MAX_ENTRIES = 20_000
#: Compressed entries (code, JSON) may grow to this together; weights are stored uncompressed by torch.
_MAX_INFLATED_BYTES = 256 * 2**20
_MAX_JSON_BYTES = 128 * 2**20
_CHUNK_BYTES = 2**20

_EXPORT_ENTRY = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/[\w.]+|models/[\w.-]+\.json"
    r"|data/weights/(weight_\d+|[\w.-]+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|[\w.-]+_constants_config\.json)"
    r"|data/sample_inputs/[\w.-]+\.pt|extra/[\w./-]+"
)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\.(?!from_file|save|load)\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|scan|while_loop|associative_scan|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.sym_\w+|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.\w+"
)
_SAFE_GLOBAL = re.compile(
    r"collections OrderedDict|torch._utils _rebuild_(tensor|tensor_v2|parameter)|torch(\.storage)? \w*Storage"
    r"|torch (float|double|half|bfloat16|u?int\d+|bool)\d*|torch Size"
)
_UNSAFE_PICKLE = frozenset({"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"})
#: Calls in TorchScript that reach files or operators of libraries that are not part of torch.
_UNSAFE_CODE = re.compile(
    rb"\b(torch\.(from_file|save|load)\s*\(|ops\.(?!aten\b|prim\b|prims\b|quantized\b|torchvision\b))"
)


def inspect_model_file(path: Path) -> str:
    """The media type of a safe model file. Raises UnsupportedMediaType or Invalid for everything else."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise UnsupportedMediaType(
                "not a TorchScript or torch.export file; pickles are never loaded", code="unsafe_model_file"
            )
    try:
        with zipfile.ZipFile(path) as archive:
            names = _check_entries(archive, path.stat().st_size)
            return _check_content(archive, names)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise Invalid("the model file is damaged", code="broken_file") from error
    except RecursionError as error:
        raise Invalid("the model file is nested too deep", code="broken_file") from error


def _check_entries(archive: zipfile.ZipFile, n_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Entries by their path inside the archive's one root folder, after checking names, sizes and checksums."""
    entries = archive.infolist()
    if not 0 < len(entries) <= _MAX_ENTRIES:
        raise _unsafe("it has no entries, or too many")
    if sum(entry.compress_size for entry in entries) > n_bytes:
        raise _unsafe("its entries overlap")
    inflated = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
    if inflated > _MAX_INFLATED_BYTES or sum(entry.file_size for entry in entries) > n_bytes + _MAX_INFLATED_BYTES:
        raise _unsafe("it would grow too much when unpacked")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = _inner_name(entry, entries[0].filename.split("/")[0])
        if name in found:
            raise _unsafe("two entries have one name")
        found[name] = entry
    _check_sums(archive, entries)
    return found


def _inner_name(entry: zipfile.ZipInfo, root: str) -> str:
    folder, _, name = entry.filename.partition("/")
    parts = entry.filename.split("/")
    if folder != root or not name or ".." in parts or "" in parts or "\\" in entry.filename or ":" in entry.filename:
        raise _unsafe("an entry's name leaves the archive's folder")
    if entry.flag_bits & 0x1 or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise _unsafe("it is encrypted or packed in an unusual way")
    if (entry.external_attr >> 16) & 0o170000 == 0o120000:
        raise _unsafe("it contains a link")
    return name


def _check_sums(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        n_read = 0
        with archive.open(entry) as file:
            while chunk := file.read(_CHUNK_BYTES):
                n_read += len(chunk)
        if n_read != entry.file_size:
            raise zipfile.BadZipFile("an entry is shorter than it says")


def _check_content(archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo]) -> str:
    if "archive_format" in names:
        _check_export(archive, names)
        return TORCH_EXPORT
    if "constants.pkl" in names and "data.pkl" in names and any(re.fullmatch(r"code/.+\.py", name) for name in names):
        for name, entry in names.items():
            if name.startswith("code/") and name.endswith(".py") and _UNSAFE_CODE.search(archive.read(entry)):
                raise _unsafe("its code reaches files or foreign operators")
        return TORCHSCRIPT
    raise UnsupportedMediaType(
        "this is a pickle (torch.save): save it with torch.jit.save or torch.export.save", code="unsafe_model_file"
    )


def _check_export(archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo]) -> None:
    odd = next((name for name in names if not _EXPORT_ENTRY.fullmatch(name)), None)
    if odd is not None:
        raise _unsafe(f"it contains {odd[:80]!r}, which is not loaded here")
    graphs = [name for name in names if name.startswith("models/")]
    if archive.read(names["archive_format"]).strip() != b"pt2" or not graphs:
        raise _unsafe("it is not a torch.export archive")
    for name in graphs:
        _check_graph(_read_json(archive, names[name]))
    for name, entry in names.items():
        if name.endswith("_config.json"):
            _check_weights(_read_json(archive, entry))
        if name.endswith(".pt"):
            _check_tensors(io.BytesIO(archive.read(entry)))


def _read_json(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    if entry.file_size > _MAX_JSON_BYTES:
        raise _unsafe("its description is too large")
    return json.loads(archive.read(entry))


def _check_graph(graph: Any) -> None:
    for key, value in _walk(graph):
        if key in {"target", "as_operator"} and not (isinstance(value, str) and _OPERATOR.fullmatch(value)):
            raise _unsafe(f"it calls {str(value)[:80]!r}")
        if key == "expr_str" and not (isinstance(value, str) and is_plain_expression(value)):
            raise _unsafe("a size in it is not plain arithmetic")
        if key == "guards_code" and not all(isinstance(item, str) and is_plain_expression(item) for item in value):
            raise _unsafe("a condition in it is not plain arithmetic")
        if key in {"custom_obj_values", "as_custom_obj", "as_opaque_obj"} and value:
            raise _unsafe("it contains objects of foreign classes")


def _check_weights(config: Any) -> None:
    for key, value in _walk(config):
        if (key == "use_pickle" and value) or (key == "path_name" and not re.fullmatch(r"(weight|tensor)_\d+", value)):
            raise _unsafe("its weights are pickled")


def _check_tensors(file: BinaryIO) -> None:
    """A nested torch.save archive may hold plain tensors only."""
    with zipfile.ZipFile(file) as archive:
        pickles = [entry for entry in archive.infolist() if entry.filename.endswith(".pkl")]
        if len(pickles) != 1 or pickles[0].file_size > _MAX_JSON_BYTES:
            raise _unsafe("its sample inputs are not plain tensors")
        for operation, argument, _ in pickletools.genops(archive.read(pickles[0])):
            is_foreign = operation.name == "GLOBAL" and not _SAFE_GLOBAL.fullmatch(str(argument))
            if is_foreign or operation.name in _UNSAFE_PICKLE:
                raise _unsafe("its sample inputs are not plain tensors")


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from item.items()
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _unsafe(reason: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(f"the model file is refused: {reason}", code="unsafe_model_file")
