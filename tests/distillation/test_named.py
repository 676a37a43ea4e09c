"""Named recipes: frozen, buildable, honest about what is not as in the paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from xkd_core.distillation.named import NAMED, differences, named_recipe
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.runs import distill
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.images import datasets
from xkd_core.models.architectures import ARCHITECTURES, build, check_input
from xkd_core.models.cards import Card
from xkd_core.sweep.plan import read_sweep

# Whoever changes a number of a recipe changes its name: runs made from it would no longer be the same.
HASHES = {
    "wilfling-000": "465badbbeecc",
    "wilfling-000-small": "d02ab57d1ab7",
    "chhabra-001": "28afdb13d3e4",
    "chhabra-001-small": "030fc8e6c5b1",
    "chhabra-001-teacher": "8304da75b7dd",
    "chhabra-001-teacher-small": "5edd13e0d0e0",
    "lee-002": "bb798ab394d8",
    "lee-002-small": "ace096db2a55",
    "alharbi-003-teacher": "7e873c7b0f58",
    "alharbi-003-teacher-small": "589ec9c8094f",
    "alharbi-003-kd": "05053e59bb43",
    "alharbi-003-kd-small": "84ef6879e3b5",
    "alharbi-003-at": "3413846c2784",
    "alharbi-003-at-small": "0a12e567adfb",
    "alharbi-003-nst": "bcb9343663fe",
    "alharbi-003-nst-small": "b8e2b7d0dbdc",
    "alharbi-003-ab": "67ef5c583ac6",
    "alharbi-003-ab-small": "4c583578f480",
    "alharbi-003-xd": "6d5716050908",
    "alharbi-003-xd-small": "e534c97287ea",
    "park-004-teacher": "7bc096794c38",
    "park-004-teacher-small": "ebb3825d2e1f",
    "park-004-kd": "37e3d618d420",
    "park-004-kd-small": "b53fb1ea15bd",
    "park-004-ewa": "4050db1f3627",
    "park-004-ewa-small": "7c3523aebfca",
    "park-004-swa": "824504678042",
    "park-004-swa-small": "aa9fe851e0ef",
    "park-004-sswa": "1a2d51820c47",
    "park-004-sswa-small": "e8f89bf207c5",
    "lee-002-surrogate": "fc4e4c4c0715",
    "lee-002-surrogate-small": "0731d7b2316b",
    "alharbi-003-mnist-teacher": "e4ff7852147c",
    "alharbi-003-mnist-teacher-small": "93778d7eebde",
    "alharbi-003-mnist-kd": "33eb3d14d1ad",
    "alharbi-003-mnist-kd-small": "2f4cfa1eab08",
    "alharbi-003-mnist-xd": "a71124949e87",
    "alharbi-003-mnist-xd-small": "9b0560c87c5e",
    "park-004-unstructured-naive": "419d3b26318e",
    "park-004-unstructured-naive-small": "94cb77dc4e49",
    "park-004-unstructured-ewa": "640fcf511c0b",
    "park-004-unstructured-ewa-small": "5792e2e9bef2",
    "park-004-unstructured-swa": "1226aa80e692",
    "park-004-unstructured-swa-small": "c3bfb0295778",
    "park-004-unstructured-sswa": "8a961487864a",
    "park-004-unstructured-sswa-small": "50d125b35303",
    "park-004-structured-naive": "33379f047911",
    "park-004-structured-naive-small": "29366366ae4d",
    "park-004-structured-ewa": "c07a141d3adf",
    "park-004-structured-ewa-small": "f27230f115c5",
    "park-004-structured-swa": "0d547abe1c4d",
    "park-004-structured-swa-small": "b4c84235cb1d",
    "park-004-structured-sswa": "2b7ea8044b90",
    "park-004-structured-sswa-small": "563eccba82b5",
    "park-004-oneshot60-naive": "2e23b785497a",
    "park-004-oneshot60-naive-small": "1c8a5b6b9322",
    "park-004-oneshot60-ewa": "661863e8c2e3",
    "park-004-oneshot60-ewa-small": "e59b5d2e7bb1",
    "park-004-oneshot60-swa": "a55021ba3f4c",
    "park-004-oneshot60-swa-small": "cda0cac8c9bb",
    "park-004-oneshot60-sswa": "daf6d086154b",
    "park-004-oneshot60-sswa-small": "3dd1cab1aaae",
    "park-004-oneshot90-naive": "59f8f3470395",
    "park-004-oneshot90-naive-small": "87923114efcd",
    "park-004-oneshot90-ewa": "2e66bfdf8f7e",
    "park-004-oneshot90-ewa-small": "c261713ba7ba",
    "park-004-oneshot90-swa": "547522f82d9b",
    "park-004-oneshot90-swa-small": "0d61556aa265",
    "park-004-oneshot90-sswa": "6844c5328c15",
    "park-004-oneshot90-sswa-small": "b8ea20a17972",
}


def recipe(name: str, **fields: object) -> Recipe:
    own = {} if NAMED[name].fields["method"] == "ce" else {"teacher_id": "teacher"}
    return named_recipe(name, own | fields)


def test_named_recipes_are_frozen() -> None:
    assert {name: recipe(name).hash for name in NAMED} == HASHES


@pytest.mark.parametrize("name", NAMED)
def test_every_recipe_fits_its_data_and_has_the_layers_it_names(name: str) -> None:
    made = recipe(name)
    assert made.arch in ARCHITECTURES and made.name == name
    if made.dataset not in datasets.NAMES:
        pytest.skip(f"{made.dataset} is not among the data sets")
    info = datasets.info(made.dataset)
    check_input(made.arch, info.transform.size)
    assert made.split in info.splits
    model = build(made.arch, len(info.classes), width=min(made.width, 0.25))
    assert all(model.place(layer) >= 0 for layer in made.layer_names)


@pytest.mark.parametrize("name", [name for name in NAMED if name.endswith("-small")])
def test_small_scales_run_on_data_that_everyone_can_have(name: str) -> None:
    made = recipe(name)
    assert made.dataset in ("scenes", "cifar10", "mnist") and made.epochs <= 15


@pytest.mark.parametrize("name", NAMED)
def test_every_field_that_is_not_the_papers_is_listed(name: str) -> None:
    made, listed = recipe(name), differences(recipe(name))
    for field, value in NAMED[name].paper.items():
        mentioned = any(line.startswith(f"{field}: ") for line in listed)
        assert mentioned == (getattr(made, field) != value), field


def test_what_the_caller_changes_is_listed_too() -> None:
    changed = differences(recipe("chhabra-001", epochs=3, seed=4), teacher_arch="wrn_16_4")
    assert "epochs: 3 (paper: 170)" in changed
    assert "teacher: 'wrn_16_4' (paper: 'wrn_28_10')" in changed
    assert not [line for line in differences(recipe("chhabra-001"), teacher_arch="wrn_28_10") if "(paper:" in line]


def test_the_papers_numbers() -> None:
    wilfling, park, at = recipe("wilfling-000"), recipe("park-004-swa"), recipe("alharbi-003-at")
    assert (wilfling.optimizer, wilfling.lr, wilfling.epochs, wilfling.temperature) == ("radam", 3e-3, 160, 50)
    assert (wilfling.clip_norm, wilfling.erasing, wilfling.kd_form) == (1.0, 0.5, "compat_000")
    assert park.beta == pytest.approx(2 * 50 / 49, abs=0.01)  # the weight on unit maps of 7x7 cells
    assert recipe("park-004-ewa").beta == pytest.approx(2 * 100 / 49, abs=0.01)
    assert (park.lam, park.temperature, park.batch_size, park.width) == (0.9, 4, 64, 0.125)
    assert (at.form, 3 * at.beta, at.lam, len(at.layer_names)) == ("code", pytest.approx(1000), 0, 3)
    assert (recipe("alharbi-003-kd").kd_form, recipe("alharbi-003-kd").lam) == ("added", 0.1)


def test_the_papers_numbers_of_pruning() -> None:
    weights, filters, most = (recipe(f"park-004-{name}-swa") for name in ("unstructured", "structured", "oneshot90"))
    assert (weights.compress, weights.amount, weights.epochs, weights.lr) == ("unstructured", 0.2, 30, 1e-3)
    assert (weights.optimizer, weights.momentum, weights.weight_decay, weights.batch_size) == ("sgd", 0.9, 1e-4, 64)
    assert any("16" in line for line in NAMED["park-004-unstructured-swa"].beyond)
    assert (filters.compress, filters.amount, filters.epochs, filters.lr) == ("structured", 0.7, 60, 1e-3)
    assert (most.amount, most.epochs, most.batch_size) == (0.9, 10, 180)
    assert recipe("park-004-oneshot60-naive").amount == 0.6
    for name in ("unstructured", "structured", "oneshot60", "oneshot90"):
        made = [recipe(f"park-004-{name}-{way}") for way in ("naive", "ewa", "swa", "sswa")]
        assert [one.method for one in made] == ["kd", "ewa", "swa", "sswa"]
        assert {one.lam for one in made} == {0.0} and {one.width for one in made} == {1.0}


def test_the_papers_numbers_of_mnist_and_of_the_surrogate() -> None:
    net, fused, surrogate = (
        recipe(name) for name in ("alharbi-003-mnist-kd", "alharbi-003-mnist-xd", "lee-002-surrogate")
    )
    assert (net.arch, net.epochs, net.lr, net.weight_decay, net.lam) == ("net", 150, 1e-3, 0, 0.1)
    assert (net.flip, net.shift_px, NAMED["alharbi-003-mnist-kd"].teacher) == (False, 0, "lenet5")
    assert (fused.arch, fused.n_superpixels, fused.fr_weight) == ("net_xd", 19, 5e-4)
    assert recipe("alharbi-003-mnist-teacher").arch == "lenet5"
    assert NAMED["lee-002-surrogate"].paper["l1_weight"] == pytest.approx(1e-5 * 50_176)
    assert (surrogate.optimizer, surrogate.schedule, surrogate.through) == (
        "nesterov", "steps 100 130 160", "teacher",
    )  # fmt: skip


def test_what_prunes_begins_with_its_teacher_or_with_the_run_that_is_named() -> None:
    name = "park-004-structured-swa-small"
    assert (recipe(name).source_id, recipe(name).teacher_id) == ("teacher", "teacher")
    assert named_recipe(name, {"teacher_id": "that"}).source_id == "that"
    assert named_recipe(name, {"teacher_id": "that", "source_id": "other"}).source_id == "other"


def test_another_method_takes_only_what_it_reads() -> None:
    found = named_recipe("park-004-sswa-small", {"teacher_id": "that", "method": "kd"})
    assert (found.method, found.beta, found.mask, found.layers) == ("kd", 0.0, "teacher", "")
    swa = named_recipe("park-004-sswa-small", {"teacher_id": "that", "method": "swa"})
    assert (swa.beta, swa.layers) == (recipe("park-004-sswa-small").beta, recipe("park-004-sswa-small").layers)
    with pytest.raises(BadInputError, match="does not read beta"):
        named_recipe("park-004-sswa-small", {"teacher_id": "that", "method": "kd", "beta": 3.0})


def test_the_sixteen_rounds_of_paper_004_are_a_group_of_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(
        "teachers: [{dataset: scenes, arch: vgg_gap_64, split: teacher, method: ce}]\n"
        "students: [{recipe: park-004-unstructured-swa, compress: unstructured, rounds: 16}]\n"
    )
    first, *rounds = read_sweep(tmp_path / "sweep.yaml")
    assert [one.round for one in rounds] == list(range(1, 17))
    assert [one.source_id for one in rounds] == [first.run_id, *(one.run_id for one in rounds[:-1])]
    assert {(one.epochs, one.lr, one.name) for one in rounds} == {(30, 1e-3, "park-004-unstructured-swa")}


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'park-004-swa'"):
        named_recipe("park-004-sva", {})


def test_an_invented_name_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="No recipe called 'mine'"):
        distill(replace(SMALL, name="mine"), root=tmp_path)


SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=64, epochs=1, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XKD_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def teacher(tmp_path: Path) -> Card:
    return distill(SMALL, root=tmp_path)


def test_the_card_of_a_named_run_lists_what_differs_and_that_of_another_nothing(teacher: Card, tmp_path: Path) -> None:
    own = {"dataset": "digits", "arch": "vgg_gap_tiny", "split": "train", "limit": 128, "epochs": 1, "lr": 1e-3}
    made = named_recipe("park-004-swa-small", {**own, "teacher_id": teacher.id, "warmup_epochs": 0.5})
    card = distill(made, root=tmp_path)
    assert "epochs: 1 (paper: 350)" in card.differs
    assert "teacher: 'vgg_gap_tiny' (paper: 'vgg16_voc')" in card.differs
    assert card.recipe["name"] == "park-004-swa-small" and made.name in NAMED
    assert teacher.differs == ()
    text = {each.id: (tmp_path / "digits" / each.id / "card.json").read_text() for each in (card, teacher)}
    assert '"differs"' in text[card.id] and '"differs"' not in text[teacher.id]


def test_a_named_pruning_of_the_digits_is_trained(teacher: Card, tmp_path: Path) -> None:
    own = {"dataset": "digits", "arch": "vgg_gap_tiny", "split": "train", "limit": 128, "epochs": 1}
    card = distill(
        named_recipe("park-004-structured-swa-small", {**own, "teacher_id": teacher.id, "amount": 0.5}), root=tmp_path
    )
    assert (card.compression, card.source_id, card.channels) == ("structured", teacher.id, (8, 32, 32))
    assert "amount: 0.5 (paper: 0.7)" in card.differs


def test_the_taps_of_paper_004_exist_in_its_network() -> None:
    model = build("vgg16_voc", 20, width=0.0625).eval()
    assert NAMED["park-004-swa"].paper["layers"] in model.layers
