"""The inspection network: learns planted defects, is the same in serving, continues from a parent, and refuses."""

from __future__ import annotations

import io

import numpy as np
import pytest

from backend.inference.signature import Signature
from review.rules.image_input import prepare
from review.training import (
    Example,
    NothingToLearn,
    Progress,
    Stopped,
    TrainingResult,
    UnfitParent,
    describe,
    evaluate,
    make_example,
    train,
)
from tests.learning import LABELS, board


def examples(n: int, seed: int = 0) -> list[Example]:
    rng = np.random.default_rng(seed)
    labels = [LABELS[i % 3] for i in range(n)]
    pairs = [(board(rng, label, 64), label) for label in labels]
    return [
        make_example(item, golden, label, "held_out" if i % 4 == 3 else "train", width=64, height=64)
        for i, ((item, golden), label) in enumerate(pairs)
    ]


@pytest.fixture(scope="module")
def trained() -> TrainingResult:
    return train(examples(150), LABELS, epochs=5, rng_seed=1)


def test_planted_defects_are_learned_and_measured_on_unseen_boards(trained: TrainingResult) -> None:
    assert trained.metrics["n"] == 37
    assert trained.metrics["accuracy"] >= 0.9
    fresh = [Example(e.pixels, e.label, "held_out") for e in examples(60, seed=9)]
    assert evaluate(trained.torchscript, fresh, LABELS)["accuracy"] >= 0.9
    assert [row["epoch"] for row in trained.history] == [1, 2, 3, 4, 5]
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_the_stored_network_and_its_signature_answer_alike_through_the_serving_input(trained: TrainingResult) -> None:
    import torch

    signature = Signature.model_validate(trained.signature)
    item, golden = board(np.random.default_rng(5), "missing")
    served = torch.from_numpy(prepare([item, golden], signature.input)[None])  # type: ignore[arg-type]
    learned = make_example(item, golden, "missing", "train", width=64, height=64).pixels
    torch.testing.assert_close(served, torch.from_numpy(learned[None]).float() / 255.0, atol=1e-6, rtol=0)
    network = torch.jit.load(io.BytesIO(trained.torchscript))
    assert signature.outputs[int(network(served).argmax())] == "missing"
    assert describe(LABELS, width=64, height=64) == trained.signature


def test_the_same_seed_gives_the_same_weights(trained: TrainingResult) -> None:
    again = train(examples(150), LABELS, epochs=5, rng_seed=1)
    assert again.metrics == trained.metrics
    assert [row["loss"] for row in again.history] == [row["loss"] for row in trained.history]


def test_fine_tuning_starts_from_the_parent_and_measures_both_on_the_same_items(trained: TrainingResult) -> None:
    child = train(examples(90, seed=3), LABELS, parent_bytes=trained.torchscript, epochs=1)
    assert child.parent_metrics is not None
    assert child.parent_metrics["n"] == child.metrics["n"] == 22
    assert child.parent_metrics["accuracy"] >= 0.9
    assert child.history[0]["loss"] < trained.history[0]["loss"]


def test_a_parent_with_other_labels_is_refused_by_layer(trained: TrainingResult) -> None:
    with pytest.raises(UnfitParent, match=r"head\.weight"):
        train(examples(30), [*LABELS, "scratch"], parent_bytes=trained.torchscript, epochs=1)


def test_a_parent_that_is_no_network_is_refused() -> None:
    with pytest.raises(UnfitParent, match="TorchScript"):
        train(examples(30), LABELS, parent_bytes=b"not a model", epochs=1)


def test_one_label_only_is_nothing_to_learn() -> None:
    with pytest.raises(NothingToLearn):
        train([e for e in examples(30) if e.label == "ok"], LABELS, epochs=1)


def test_a_stop_is_obeyed_within_a_batch() -> None:
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        train(examples(60), LABELS, epochs=50, on_progress=seen.append, should_stop=lambda: len(seen) >= 2)
    assert seen[-1].epoch <= 2


def test_without_held_out_items_the_measures_are_empty_not_wrong() -> None:
    result = train([Example(e.pixels, e.label) for e in examples(30)], LABELS, epochs=1)
    assert result.metrics["n"] == 0
    assert result.metrics["accuracy"] is None
    assert "accuracy" not in result.history[0]
