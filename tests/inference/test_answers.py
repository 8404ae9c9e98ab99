"""Inputs and outputs of versions, to exact values; training and serving prepare pictures alike."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from backend.inference.answers import BadInput, BadOutput, build_input, read_output
from backend.inference.signature import ImageInput, Signature
from review.rules.image_input import prepare


def image(**more: object) -> ImageInput:
    return ImageInput.model_validate({"width": 4, "height": 2, **more})


def test_channels_of_a_picture_with_its_golden_sample() -> None:
    item, golden = Image.new("L", (8, 8), 51), Image.new("RGB", (8, 8), (255, 255, 255))
    array = prepare([item, golden], image(channels=3, with_golden=True))
    assert array.shape == (3, 2, 4)
    assert array[:, 0, 0].tolist() == pytest.approx([0.2, 1.0, 0.8])
    assert prepare([item, golden], image(channels=2, with_golden=True)).shape == (2, 2, 4)


def test_mean_and_deviation_are_per_channel() -> None:
    red = Image.new("RGB", (4, 2), (255, 0, 0))
    array = prepare([red], image(channels=3, mean=[0.5, 0.0, 0.0], std=[0.5, 1.0, 1.0]))
    assert array[:, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_a_missing_golden_sample_is_named() -> None:
    with pytest.raises(ValueError, match="golden"):
        prepare([Image.new("L", (4, 4))], image(channels=2, with_golden=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 2},
        {"channels": 1, "with_golden": True},
        {"channels": 3, "mean": [0.5]},
        {"std": 0},
        {"width": 0},
        {"depth": 3},
    ],
)
def test_a_signature_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        image(**wrong)


def tabular(**more: object) -> Signature:
    features = [
        {"name": "age", "mean": 40, "std": 10},
        {"name": "country", "categories": ["vn", "jp"]},
        {"name": "height", "fill": 1.7},
    ]
    return Signature.model_validate(
        {"input": {"kind": "tabular", "features": features}, "outputs": ["no", "yes"], **more}
    )


def test_named_inputs_become_numbers_in_the_order_of_the_signature() -> None:
    array = build_input(tabular(), {"country": "jp", "age": 60}, [], 100)
    assert array.tolist() == pytest.approx([2.0, 1.0, 1.7])


@pytest.mark.parametrize("inputs", [{"age": 1, "country": "us"}, {"country": "vn"}, {"age": [1], "country": "vn"}])
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        build_input(tabular(), inputs, [], 100)


def test_an_uncertain_best_label_is_no_answer_where_the_version_abstains() -> None:
    raw = np.array([0.0, 0.1], dtype=np.float32)
    assert read_output(tabular(), raw).prediction == "yes"
    abstained = read_output(tabular(abstain_below=0.9), raw)
    assert (abstained.prediction, abstained.score) == (None, pytest.approx(0.524979, abs=1e-5))


def test_a_version_without_labels_answers_a_number() -> None:
    assert read_output(tabular(outputs=[]), np.array([3.5], dtype=np.float32)).prediction == 3.5


@pytest.mark.parametrize("raw", [[np.nan, 1.0], [np.inf, 1.0], [1.0], [1.0, 2.0, 3.0]])
def test_outputs_that_are_no_answer_are_refused(raw: list[float]) -> None:
    with pytest.raises(BadOutput):
        read_output(tabular(), np.array(raw, dtype=np.float32))
