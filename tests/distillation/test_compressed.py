"""Trainings that end in something else than one plain network: slimmable, pruned by weight, pruned by filter."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from xkd_core.distillation.checks import SLIM_WIDTH
from xkd_core.distillation.recipes import Recipe, again, int8_of, pruning_rounds
from xkd_core.distillation.runs import distill, training_data
from xkd_core.distillation.task import Batch, objective
from xkd_core.distillation.trainer import sandwich, train
from xkd_core.distillation.validation import is_flat_round
from xkd_core.errors import BadInputError
from xkd_core.models.architectures import count_parameters
from xkd_core.models.cards import Card, at_width
from xkd_core.models.checkpoints import find_card, is_here, list_runs, load_run, read_state
from xkd_core.models.quantized import Int8Linear
from xkd_core.models.slimmable import STOPS, SlimVggGap
from xkd_core.pruning.accounting import stored_size
from xkd_core.pruning.structured import channels_of
from xkd_core.pruning.unstructured import sparsity

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
pytestmark = pytest.mark.usefixtures("home")
SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=512, epochs=3, lr=6e-3, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(zoo: Path, home: None) -> Card:
    return distill(SMALL, root=zoo)


def student(teacher: Card, **fields: object) -> Recipe:
    return replace(SMALL, **{"method": "swa", "beta": 2.0, "teacher_id": teacher.id, "epochs": 2, **fields})


def pruned(teacher: Card, source: str, **fields: object) -> Recipe:
    return student(teacher, source_id=source, width=1.0, lr=1e-3, **fields)


def test_a_slimmable_student_is_one_file_and_a_run_for_each_width(teacher: Card, zoo: Path) -> None:
    card = distill(student(teacher, slimmable=True, width=0.5), root=zoo)
    assert "-slim-" in card.id and card.compression == "slimmable" and STOPS[-1] == SLIM_WIDTH
    runs = [one for one in list_runs(zoo) if one.id.startswith(card.id)]
    assert [one.width for one in runs] == list(STOPS)
    for one in runs:
        assert one.ratio == teacher.params / sum(p.numel() for p in load_run(one.id, zoo).model.parameters())
    assert {"quality@0.125", "quality@0.5", "cosine/cam@0.125"} <= set(card.curve[-1])


def test_a_slimmable_training_that_was_cut_goes_on_to_the_same_bytes(teacher: Card, zoo: Path, tmp_path: Path) -> None:
    recipe = student(teacher, slimmable=True, width=0.5, epochs=2, limit=128, seed=3)
    data = training_data(recipe, root=zoo)
    whole = train(recipe, data, state_path=tmp_path / "whole")

    def cut(epoch: int, epochs: int, watched: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, state_path=tmp_path / "cut", report=cut)
    resumed = train(recipe, data, state_path=tmp_path / "cut")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_step_takes_the_ends_and_two_widths_between_which_change_from_step_to_step(teacher: Card) -> None:
    recipe = student(teacher, slimmable=True, width=0.5)
    drawn = [sandwich(recipe, 0, step) for step in range(200)]
    assert all(stops[:2] == (0.125, 0.5) and len(set(stops)) == 4 for stops in drawn)
    assert {stop for stops in drawn for stop in stops} == set(STOPS)
    assert drawn[7] == sandwich(recipe, 0, 7)


def test_its_objective_is_the_mean_of_those_of_its_widths(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, slimmable=True, width=0.5)
    data = training_data(recipe, root=zoo)
    torch.manual_seed(0)
    model = SlimVggGap("vgg_gap_tiny", 10).train()
    assert data.teacher is not None
    rows, stops = np.arange(32), (0.125, 0.5)
    batch = Batch(
        torch.randn(32, 3, 32, 32), torch.zeros(32, dtype=torch.int64), data.teacher.logits[0, rows],
        data.teacher.swa[0, rows].float(), data.teacher.targets[0, rows],
    )  # fmt: skip
    whole = objective(model, replace(batch, stops=stops), recipe, multi_label=False)
    each = [objective(model.extract(stop).train(), batch, recipe, multi_label=False) for stop in stops]
    torch.testing.assert_close(whole.total, sum(one.total for one in each) / 2)
    torch.testing.assert_close(whole.parts["matching"], sum(one.parts["matching"] for one in each) / 2)


def test_rounds_of_unstructured_pruning_build_on_each_other_and_keep_their_zeros(teacher: Card, zoo: Path) -> None:
    first = distill(pruned(teacher, teacher.id, compress="unstructured", amount=0.2, round=1), root=zoo)
    second = distill(pruned(teacher, first.id, compress="unstructured", amount=0.2, round=2), root=zoo)
    assert sparsity(load_run(first.id, zoo).model) == pytest.approx(0.2, abs=1e-3)
    assert sparsity(load_run(second.id, zoo).model) == pytest.approx(0.36, abs=1e-3)
    assert second.compression == "unstructured" and second.role == "matched" and "-u2-" in second.id
    living = sum(int((value != 0).sum()) for value in load_run(second.id, zoo).model.parameters())

    assert second.nonzeros == living
    assert [card.undertrained for card in (first, second)] == [
        not is_flat_round([first.curve]), not is_flat_round([first.curve, second.curve])
    ]  # fmt: skip
    assert (second.ratio_of, second.ratio) == ("nonzeros", teacher.params / living)
    weights = [load_run(run.id, zoo).model.features[4].weight for run in (first, second)]
    assert ((weights[0] == 0) <= (weights[1] == 0)).all()


def test_pruning_with_labels_alone_takes_nothing_from_the_teacher_and_makes_no_teacher(
    teacher: Card, zoo: Path, tmp_path: Path
) -> None:
    recipe = pruned(teacher, teacher.id, method="ce", compress="unstructured", amount=0.2, round=1, limit=64)
    data = training_data(recipe, root=zoo)
    assert data.teacher is None and data.validation.teacher is not None
    assert replace(recipe, lam=1.0, temperature=1.0, beta=7.0).run_id == recipe.run_id  # ce does not read them
    assert recipe.role == "baseline" and "agreement" in distill(recipe, root=zoo).curve[-1]
    assert replace(recipe, compress="", amount=0.0, round=0, source_id=None).role == "baseline"
    assert replace(recipe, teacher_id=None).role == "baseline" and SMALL.role == "teacher"


def test_structured_pruning_keeps_its_channels_on_the_card_and_answers_after_loading(teacher: Card, zoo: Path) -> None:
    card = distill(replace(pruned(teacher, teacher.id, compress="structured", amount=0.5), epochs=4, lr=6e-3), root=zoo)
    assert card.channels == (8, 32, 32) and "-f50-" in card.id
    loaded = load_run(card.id, zoo).model
    assert channels_of(loaded) == card.channels
    assert card.params == sum(p.numel() for p in loaded.parameters())
    assert card.ratio == teacher.params / card.params and card.ratio_of == "parameters"
    assert card.curve[-1]["quality"] > 0.3 > 0.1  # ten classes


@pytest.mark.parametrize("how", ["structured", "unstructured"])
@pytest.mark.parametrize(("name", "method"), [("naive", "kd"), ("ewa", "ewa"), ("swa", "swa"), ("sswa", "sswa")])
def test_each_way_of_pruning_can_be_followed_by_each_way_of_matching(
    teacher: Card, zoo: Path, how: str, name: str, method: str
) -> None:
    recipe = pruned(teacher, teacher.id, method=method, compress=how, amount=0.5, round=1, limit=64, epochs=2)
    card = distill(recipe, root=zoo)
    before, after = (load_run(run, zoo).model for run in (teacher.id, card.id))
    assert (card.compression, card.method, card.source_id) == (how, method, teacher.id)
    assert (card.role == "naive") == (name == "naive") and (card.dead_maps is None) == (name == "naive")
    assert {"quality", "agreement", "cosine/cam"} <= set(card.curve[-1]) and len(card.curve) == 2
    if how == "structured":
        assert channels_of(after) == (8, 32, 32) and card.params < teacher.params
        return
    # Each smallest half is zero in the file, and fine-tuning moved what is left.
    assert sparsity(after) == pytest.approx(0.5, abs=1e-3)
    start = torch.cat([part.weight.flatten() for part in before.features if isinstance(part, torch.nn.Conv2d)])
    end = torch.cat([part.weight.flatten() for part in after.features if isinstance(part, torch.nn.Conv2d)])
    assert float(start[end == 0].abs().max()) <= float(start[end != 0].abs().min())
    assert not torch.equal(end[end != 0], start[end != 0])


def test_pruned_networks_that_are_matched_otherwise_are_others(teacher: Card, zoo: Path) -> None:
    own = {"compress": "unstructured", "amount": 0.5, "round": 1, "limit": 64, "epochs": 2}
    made = [load_run(distill(pruned(teacher, teacher.id, method=method, **own), root=zoo).id, zoo).model
            for method in ("kd", "ewa", "swa", "sswa")]  # fmt: skip
    kernels = [model.features[0].weight for model in made]
    assert not any(torch.equal(one, other) for one, other in combinations(kernels, 2))


def test_filters_of_a_vgg_with_a_flattened_map_are_pruned_and_of_a_lenet_not(teacher: Card, zoo: Path) -> None:
    small = {"arch": "vgg7", "width": 0.125, "limit": 64, "epochs": 1}
    source = distill(student(teacher, method="kd", **small), root=zoo)
    card = distill(
        student(teacher, method="kd", source_id=source.id, compress="structured", amount=0.5, **small), root=zoo
    )
    assert card.channels == (4, 8, 16, 32, 16, 16, 16, 16) and card.compression == "structured"
    loaded = load_run(card.id, zoo).model
    assert channels_of(loaded) == card.channels and card.params == count_parameters(loaded) < source.params
    weights = distill(
        student(teacher, method="kd", source_id=card.id, compress="unstructured", amount=0.5, **small), root=zoo
    )
    assert weights.channels == card.channels
    net = distill(student(teacher, method="kd", arch="lenet5_32", limit=64), root=zoo)
    fields = {"arch": "lenet5_32", "source_id": net.id, "compress": "structured", "amount": 0.5, "limit": 64}
    with pytest.raises(BadInputError, match="chain VGGs only"):
        distill(student(teacher, method="kd", **fields), root=zoo)


def test_filters_are_not_pruned_without_torch_pruning_and_the_error_says_how_to_get_it(
    teacher: Card, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    monkeypatch.delitem(sys.modules, "xkd_core.pruning.structured")
    with pytest.raises(BadInputError, match="pip install torch-pruning"):
        distill(pruned(teacher, teacher.id, compress="structured", amount=0.25, limit=64), root=zoo)


def test_weights_of_a_network_without_some_filters_can_be_pruned_and_loaded(teacher: Card, zoo: Path) -> None:
    filters = distill(pruned(teacher, teacher.id, compress="structured", amount=0.5, epochs=1, limit=64), root=zoo)
    weights = distill(pruned(teacher, filters.id, compress="unstructured", amount=0.5, epochs=1, limit=64), root=zoo)
    assert weights.channels == filters.channels and weights.compression == "unstructured"
    assert sparsity(load_run(weights.id, zoo).model) == pytest.approx(0.5, abs=1e-3)


def test_a_pruned_student_of_another_kind_of_network_than_its_teacher_is_called_pruned(
    teacher: Card, zoo: Path
) -> None:
    small = distill(student(teacher, method="kd", arch="lenet5_32", width=0.5, limit=64), root=zoo)
    assert small.compression == "architecture"
    fields = {"source_id": small.id, "compress": "unstructured", "amount": 0.5, "limit": 64}
    less = distill(student(teacher, method="kd", arch="lenet5_32", width=0.5, **fields), root=zoo)
    assert (less.compression, less.ratio_of) == ("unstructured", "nonzeros")
    with pytest.raises(BadInputError, match="so a training that goes on from it is too"):
        distill(student(teacher, method="kd", arch="lenet5_32", width=1.0, **fields), root=zoo)


def test_the_int8_form_of_a_run_keeps_its_settings_and_counts_bits(teacher: Card, zoo: Path) -> None:
    source = distill(student(teacher, width=0.5, limit=256), root=zoo)
    card = distill(int8_of("digits", source.id), root=zoo)
    assert (card.id, card.compression, card.source_id) == (f"{source.id}-int8", "int8", source.id)
    assert (card.method, card.beta, card.width, card.teacher_id) == ("swa", 2.0, 0.5, teacher.id)
    kernels, norms, head = (3 * 8 + 8 * 16 + 16 * 32) * 9, 8 + 16 + 32, 32 * 10 + 10
    bits = 8 * kernels + 32 * (2 * norms + 3 + head)  # scales and biases of channels, steps of layers, the head
    assert (card.ratio, card.ratio_of) == (32 * teacher.params / bits, "bits")
    assert card.nonzeros == nonzeros_of(zoo / "digits" / card.id) < source.nonzeros
    x = 2 * torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 1  # the range of the data
    exact, rounded = (load_run(one.id, zoo).model(x) for one in (source, card))
    assert 0 < float((exact - rounded).abs().max()) < 0.1 * float(exact.abs().max())
    assert distill(int8_of("digits", teacher.id), root=zoo).role == "other"
    slim = at_width(distill(student(teacher, slimmable=True, width=0.5), root=zoo), "0.25")
    assert distill(int8_of("digits", slim.id), root=zoo).id == f"{slim.id.replace('@', '-w')}-int8"


def test_the_int8_form_of_a_run_that_is_no_vgg_gap_answers_like_it(teacher: Card, zoo: Path) -> None:
    source = distill(student(teacher, method="kd", arch="lenet5_32", width=0.5, limit=256), root=zoo)
    card = distill(int8_of("digits", source.id), root=zoo)
    assert (card.id, card.arch, card.compression) == (f"{source.id}-int8", "lenet5_32", "int8")
    exact, rounded = (load_run(one.id, zoo).model for one in (source, card))
    assert type(rounded.head[2]) is Int8Linear and rounded.head[2].whole.dtype == torch.int8
    x = 2 * torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 1
    assert 0 < float((exact(x) - rounded(x)).abs().max()) < 0.1 * float(exact(x).abs().max())
    # Each weight a byte; each channel a float32 scale and bias; each layer a float32 step and an int16 low.
    units, layers = 3 + 8 + 60 + 42 + 10, 5
    weights = source.params - units
    assert card.ratio == 32 * teacher.params / (8 * weights + 64 * units + 48 * layers)
    assert card.nonzeros == nonzeros_of(zoo / "digits" / card.id)
    with pytest.raises(BadInputError, match="8-bit values already"):
        distill(int8_of("digits", card.id), root=zoo)


def nonzeros_of(folder: Path) -> int:
    return sum(np.count_nonzero(value) for value in load_file(folder / "model.safetensors").values())


def test_the_shipped_cards_of_8_bit_runs_say_what_their_files_hold() -> None:
    eight = [card for card in list_runs(SHIPPED) if card.compression == "int8" and is_here(card, SHIPPED)]
    assert len(eight) == 6
    for card in eight:
        size = stored_size(read_state(card, SHIPPED))
        assert card.ratio == 32 * find_card(card.teacher_id, SHIPPED).params / size.bits
        assert card.nonzeros == nonzeros_of(SHIPPED / card.dataset / card.id)


def test_names_of_runs_made_before_these_fields_have_not_changed(teacher: Card) -> None:
    known = Recipe(dataset="scenes", arch="vgg_gap_64", split="teacher", method="ce", epochs=8, warmup_epochs=1)
    shipped = Path("checkpoints/scenes")
    assert (shipped / known.run_id).is_dir()


def test_pruning_rounds_are_a_chain_from_the_run_to_the_last(teacher: Card) -> None:
    training = {"method": "swa", "epochs": 2, "lr": 1e-3}
    plan = list(pruning_rounds(teacher, how="unstructured", amount=0.2, rounds=3, training=training))
    assert [one.source_id for one in plan] == [teacher.id, plan[0].run_id, plan[1].run_id]
    assert [one.round for one in plan] == [1, 2, 3]
    assert {one.teacher_id for one in plan} == {teacher.id}


def test_pruning_mirrors_no_images_of_a_run_that_saw_none_mirrored(teacher: Card) -> None:
    training = {"method": "swa", "epochs": 2, "lr": 1e-3}
    digits = teacher.model_copy(update={"recipe": {**teacher.recipe, "flip": False}})
    plans = [next(pruning_rounds(card, how="structured", amount=0.5, rounds=1, training=training))
             for card in (teacher, digits)]  # fmt: skip
    assert [plan.flip for plan in plans] == [True, False]


def test_a_card_says_how_its_run_is_made_again_or_that_it_was_cut_out_of_another(teacher: Card) -> None:
    assert again(teacher).run_id == teacher.id
    eight = teacher.model_copy(update={"id": f"{teacher.id}-int8", "compression": "int8", "source_id": teacher.id})
    assert again(eight) == int8_of("digits", teacher.id)
    cut = teacher.model_copy(update={"id": "digits-ce-w1-restricted-s0-0", "source_id": teacher.id})
    with pytest.raises(BadInputError, match=f"restrict --run {teacher.id} --dataset digits"):
        again(cut)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"compress": "random", "amount": 0.2}, "unstructured"),
        ({"compress": "unstructured", "amount": 1.0, "source_id": "x"}, r"amount must be in \(0, 1\)"),
        ({"compress": "structured", "amount": 0.5}, "source_id must be a run"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(teacher: Card, fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        student(teacher, **fields)
