"""A teacher restricted to some of its classes answers with the same logits, fewer of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import _meta

from tests.made_zoo import make_zoo
from xkd_core.errors import BadInputError
from xkd_core.images import datasets
from xkd_core.images.tiny_imagenet import CLASSES as CLASSES_OF_50
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.checkpoints import load_run, run_folder, save_run
from xkd_core.models.restriction import _place, restrict

CLASSES = ("zero", *"9876543210", "dog")


@pytest.fixture
def wide(tmp_path: Path):
    """A teacher of digits among twelve classes, in another order than the data set's."""
    card = load_run(make_zoo(tmp_path, rows=False).runs["teacher"], tmp_path).card
    torch.manual_seed(4)
    model = build("vgg_gap_tiny", len(CLASSES)).eval()
    own = {"id": "mnist-ce-wide", "dataset": "mnist", "arch": "vgg_gap_tiny", "classes": CLASSES, "multi_label": False}
    return save_run(run_folder("mnist", "mnist-ce-wide", tmp_path), model, card.model_copy(update=own))


def test_the_logits_are_those_of_the_same_names(wide, tmp_path: Path) -> None:
    card = restrict(wide.id, "mnist", tmp_path)
    small, large = (load_run(run, tmp_path).model for run in (card.id, wide.id))
    x = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    by_name = {name: large(x)[:, place] for place, name in enumerate(CLASSES)}
    expected = torch.stack([by_name[name] for name in "0123456789"], dim=1)
    torch.testing.assert_close(small(x), expected)
    assert torch.equal(small.features(x), large.features(x))
    assert card.classes == datasets.info("mnist").classes
    assert (card.source_id, card.params) == (wide.id, count_parameters(small))
    assert "10 of the 12 classes" in card.note
    assert restrict(wide.id, "mnist", tmp_path) == card


def test_it_is_refused_where_classes_are_missing_or_the_run_is_a_student(wide, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="knows 1 of the 10 classes of cifar10; not: airplane"):
        restrict(wide.id, "cifar10", tmp_path)
    with pytest.raises(BadInputError, match="photos has no classes"):
        restrict(wide.id, "photos", tmp_path)
    with pytest.raises(BadInputError, match="nothing to restrict"):
        restrict(restrict(wide.id, "mnist", tmp_path).id, "mnist", tmp_path)
    student = make_zoo(tmp_path, rows=False).runs["ewa"]
    with pytest.raises(BadInputError, match="is a student"):
        restrict(student, "scenes", tmp_path)


def test_as_many_classes_in_another_order_are_put_in_order(wide, tmp_path: Path) -> None:
    own = {"id": "mnist-ce-turned", "classes": tuple("9876543210")}
    torch.manual_seed(5)
    turned = save_run(
        run_folder("mnist", "mnist-ce-turned", tmp_path), build("vgg_gap_tiny", 10).eval(), wide.model_copy(update=own)
    )
    card = restrict(turned.id, "mnist", tmp_path)
    small, large = (load_run(run, tmp_path).model for run in (card.id, turned.id))
    x = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(small(x), large(x).flip(1))


def test_all_fifty_classes_of_tiny_imagenet_are_found_among_torchvisions_thousand() -> None:
    categories = tuple(_meta._IMAGENET_CATEGORIES)
    assert len(set(categories)) == 1000
    places = [_place(categories, name) for name in CLASSES_OF_50.values()]
    # Torchvision's list is in the order of the WordNet ids, and so are the fifty: no name stands for another animal.
    assert list(CLASSES_OF_50) == sorted(CLASSES_OF_50)
    assert None not in places and places == sorted(set(places))
    assert [categories[place] for place in places if categories[place] not in CLASSES_OF_50.values()] == [
        "European fire salamander", "American alligator",
    ]  # fmt: skip


def test_a_class_goes_by_its_own_name_before_a_longer_one() -> None:
    assert _place(("American alligator", "alligator"), "alligator") == 1
    assert _place(("alligator lizard", "dog"), "alligator") is None


def test_a_teacher_of_all_of_imagenet_is_restricted_to_the_fifty(wide, tmp_path: Path) -> None:
    categories = tuple(_meta._IMAGENET_CATEGORIES)
    torch.manual_seed(6)
    model = build("vgg_gap_tiny", len(categories)).eval()
    own = {"id": "photos-ce-thousand", "dataset": "photos", "classes": categories}
    whole = save_run(run_folder("photos", own["id"], tmp_path), model, wide.model_copy(update=own))
    card = restrict(whole.id, "tiny-imagenet-50", tmp_path)
    assert card.classes == tuple(CLASSES_OF_50.values()) and "50 of the 1000 classes" in card.note
    small, large = (load_run(run, tmp_path).model for run in (card.id, whole.id))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    chosen = [25, 50]  # of torchvision's list
    torch.testing.assert_close(small(x)[:, [1, 3]], large(x)[:, chosen])
