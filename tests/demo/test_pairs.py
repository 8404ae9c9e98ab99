"""Items cut from real board pairs: labels come from the boxes, crops lie inside, goldens are the same place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.demo.pairs import CROP_PX, TYPES, cut, read_boards
from backend.errors import Invalid


def make_folder(folder: Path) -> Path:
    images, boxes = folder / "g1" / "g1", folder / "g1" / "g1_not"
    images.mkdir(parents=True)
    boxes.mkdir()
    template = np.zeros((400, 400), np.uint8)
    template[:, ::2] = 255
    tested = template.copy()
    tested[90:110, 90:110] = 7
    Image.fromarray(template).save(images / "b1_temp.png")
    Image.fromarray(tested).save(images / "b1_test.png")
    (boxes / "b1.txt").write_text("90 90 110 110 3\n")
    lines = ["path,group,stem,kind", "g1/g1/b1_temp.png,g1,b1,temp", "g1/g1/b1_test.png,g1,b1,test"]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_crops_get_the_label_of_the_box_they_hold(tmp_path: Path) -> None:
    boards = read_boards(make_folder(tmp_path))
    crops = list(cut(boards["g1"], np.random.default_rng(0)))
    assert Counter(crop.label for crop in crops) == {"mouse_bite": 1, "ok": 4}
    for crop in crops:
        assert crop.item.shape == crop.golden.shape == (CROP_PX, CROP_PX)
        assert (7 in crop.item) == (crop.label == "mouse_bite")
        assert 7 not in crop.golden


def test_folder_without_manifest_or_boxes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"no manifest\.csv"):
        read_boards(tmp_path)
    make_folder(tmp_path)
    (tmp_path / "g1" / "g1_not" / "b1.txt").unlink()
    with pytest.raises(Invalid, match="no boxes"):
        read_boards(tmp_path)


@pytest.mark.data
def test_real_boards_give_items_of_every_kind(data_folder: Callable[[str], Path]) -> None:
    boards = read_boards(data_folder("deeppcb"))
    assert {group: len(found) for group, found in boards.items()} == {"00041": 221, "77000": 107, "92000": 120}
    crops = list(cut(boards["92000"][:30], np.random.default_rng(0)))
    assert {crop.label for crop in crops} == {"ok", *TYPES.values()}
    for crop in crops:
        if crop.label == "ok":
            differing = np.abs(crop.item.astype(int) - crop.golden.astype(int)) > 128
            assert differing.mean() < 0.08
