"""Proofs about released code: each number against another way to it, and each turned round by the corrected code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xkd_core.claims import proofs_quirks
from xkd_core.claims.base import Finding


def numbers(finding: Finding) -> dict[str, float]:
    return {one.label: one.value for one in finding.numbers}


@pytest.mark.parametrize(
    ("proof", "repaired"),
    [
        (proofs_quirks.hits_of_nothing, {"correct": True}),
        (proofs_quirks.area_of_batch, {"correct": True}),
        (proofs_quirks.norms_after_first_epoch, {"back_to_train": True}),
        (proofs_quirks.mean_of_kl, {"per_image": True}),
        (proofs_quirks.drop_of_nothing, {"evaluated": True}),
        (proofs_quirks.precision_by_image, {"by_class": True}),
    ],
)
def test_the_quirk_contradicts_and_the_corrected_code_holds(proof, repaired):
    as_is = proof()
    torch.manual_seed(99)
    assert proof() == as_is
    assert (as_is.words, proof(**repaired).words) == ("does not hold: contradicted", "holds")


def test_nothing_that_points_is_a_hit_everywhere():
    found = numbers(proofs_quirks.hits_of_nothing(n=4))
    assert [found[f"{name}: hits, restated"] for name in
            ("constant map, an object of one pixel", "no object")] == [1.0, 1.0]  # fmt: skip
    assert found["of both, left without a value here"] == 8
    assert found["a random pixel would hit the one pixel"] == 1 / 64


def test_the_share_of_an_object_shrinks_with_the_batch():
    found = numbers(proofs_quirks.area_of_batch(sizes=(3, 10)))
    assert found["share of the image, batch of 3"] == 16 / (1 * 3 * 64)
    assert found["share of the image, batch of 10"] == 16 / (8 * 3 * 64)
    assert found["right share, whatever the batch"] == 0.25


@pytest.mark.parametrize("epochs", [1, 3])
def test_only_the_first_epoch_enters_batch_norm(epochs):
    (number,) = proofs_quirks.norms_after_first_epoch(epochs=epochs).numbers
    assert (number.value, number.passes) == (5, epochs == 1)


@pytest.mark.parametrize("classes", [10, 50])
def test_a_mean_over_classes_is_as_many_times_smaller(classes):
    found = numbers(proofs_quirks.mean_of_kl(classes=classes, n=64))
    assert found["first over second"] == pytest.approx(classes, rel=1e-5)
    generator = torch.Generator().manual_seed(0)
    s, t = (2 * torch.randn(64, classes, generator=generator).double().numpy() / 6 for _ in range(2))
    s, t = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (s, t))
    assert found["KL of the formula"] == pytest.approx((t * np.log(t / s)).sum(axis=1).mean(), rel=1e-4)
    assert found["weight in the code, beside .05 of the labels"] == pytest.approx(34.2 / classes, rel=1e-4)


def test_an_image_loses_confidence_to_itself_in_train_mode_alone():
    loses, keeps = (numbers(proofs_quirks.drop_of_nothing(evaluated=one)) for one in (False, True))
    assert loses["average drop of an unmasked image, %"] > 1
    assert list(keeps.values()) == [0.0, 0.0]


def test_precision_over_images_rewards_naming_what_is_common():
    found = numbers(proofs_quirks.precision_by_image())
    rng = np.random.default_rng(0)
    labels = rng.random((400, 20)) < np.r_[0.5, np.linspace(0.15, 0.05, 19)]
    of_images = []
    for row in labels[labels.any(axis=1)]:  # classes stand in the scorer's order already
        places = np.flatnonzero(row)
        of_images.append(np.mean([(rank + 1) / (place + 1) for rank, place in enumerate(places)]))
    assert found["precision over images, as in the code"] == pytest.approx(np.mean(of_images))
    assert found["precision over classes, mAP"] == pytest.approx(found["share of images that show a class, mean"])
