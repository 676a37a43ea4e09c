"""Which run a choice of sliders means."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from xkd_core.distillation.recipes import Recipe
from xkd_core.serving.metrics_view import families_of, family_words
from xkd_core.serving.names import describe, smaller, times, title
from xkd_core.serving.zoo import VARIED, Choice, family_of, fingerprint, less_of, matched_title, naive_of, read_zoo


@pytest.fixture
def zoo(place):
    return read_zoo("scenes")


def test_the_teacher_is_the_one_that_students_name_and_the_other_is_the_noise_floor(zoo, made):
    assert zoo.teacher.id == made.runs["teacher"]
    assert zoo.second_teacher.id == made.runs["second"]


def test_sliders_offer_only_values_of_which_a_run_exists(zoo):
    assert zoo.axis("lam", "swa") == (0.0, 0.5, 1.0)
    ratios = {float(f"{card.ratio:.6g}") for card in zoo.students}
    assert set(zoo.axis("ratio", "swa")) == ratios
    assert zoo.axis("beta", "swa") == (2.0, 8.0)
    assert zoo.axis("beta", "ewa") == (2.0,)
    assert zoo.families == ("swa", "ewa", "shuffled")


def test_default_is_half_lambda_strongest_compression_and_the_usual_beta(zoo):
    choice = zoo.default()
    assert (choice.lam, choice.beta) == (0.5, 2.0)
    assert choice.ratio == max(zoo.axis("ratio", "swa"))


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("width", ["0.25", "0.125"])
def test_every_choice_on_the_grid_names_its_own_run(zoo, made, lam, width):
    for row, method in (("naive", "kd"), ("matched", "swa")):
        run_id = made.runs[f"{method} {width} {lam:g}"]
        choice = zoo.choice_of(run_id)
        pick = zoo.pick(row, choice)
        assert (pick.card.id, pick.note) == (run_id, "")


def test_a_choice_off_the_grid_gets_the_nearest_run_and_says_so(zoo, made):
    choice = zoo.default()
    pick = zoo.pick("matched", Choice(lam=1.0, ratio=choice.ratio, beta=8.0))
    assert pick.card.id == made.runs["swa 0.125 1"]  # λ counts before β
    assert pick.note == "nearest run: β 2"


def test_the_shuffled_control_is_never_taken_for_a_matched_student(zoo, made):
    ids = {card.id for card in zoo.of("matched", "swa")}
    assert made.runs["shuffled"] not in ids
    assert family_of(zoo.by_id[made.runs["shuffled"]]) == "shuffled"


def test_an_unknown_run_has_no_choice(zoo):
    assert zoo.choice_of("scenes-swa-w9-nothing") is None


def test_words_keep_width_and_ratio_apart(zoo, made):
    card = zoo.by_id[made.runs["swa 0.125 0.5"]]
    assert smaller(card) == f"1/8 width, {times(card.ratio)}x smaller"
    assert describe(card).endswith("λ 0.5, β 2")
    names = [title(zoo.by_id[made.runs[name]]) for name in ("teacher", "kd 0.25 0", "kd 0.25 0.5", "swa 0.25 0")]
    assert names == ["Teacher", "Baseline student", "Naive student", "Matched student"]
    on_all_images = zoo.by_id[made.runs["kd 0.25 0.5"]].model_copy(
        update={"role": "control", "recipe": {"label": "few"}}
    )
    assert title(on_all_images) == "Naive student"


def test_pruned_quantized_and_slimmable_students_are_families_with_a_naive_one_of_their_own(zoo, made):
    def of_kind(name, **own):
        source = zoo.by_id[made.runs[name]]
        return source.model_copy(update={"id": f"{source.id}-{own['compression']}", **own})

    pruned = {"compression": "unstructured", "ratio_of": "nonzeros", "ratio": 3.05, "width": 1.0}
    more = [of_kind(name, **pruned) for name in ("kd 0.25 0.5", "swa 0.25 0.5")]
    more += [of_kind("swa 0.25 0.5", compression="int8", ratio_of="bits", ratio=62.0)]
    more += [of_kind("swa 0.25 0.5", compression="slimmable", width=3 / 16)]
    wider = replace(zoo, cards=(*zoo.cards, *more))
    assert wider.families == ("swa", "ewa", "slim-swa", "weights-swa", "int8-swa", "shuffled")
    choice = wider.default("weights-swa")
    assert [wider.pick(row, choice).card.id for row in ("naive", "matched")] == [more[0].id, more[1].id]
    assert [wider.choice_of(card.id).family for card in more] == ["weights-swa", "weights-swa", "int8-swa", "slim-swa"]
    assert [smaller(card) for card in more[1:]] == [
        "weights pruned, 3.05x fewer non-zero weights", "1/4 width, 8 bits, 62x fewer bits",
        f"3/16 width, {times(more[3].ratio)}x smaller",
    ]  # fmt: skip
    # nothing of it reaches the rows of plain students
    assert wider.of("naive", "swa") == zoo.of("naive", "swa")
    assert wider.of("matched", "swa") == zoo.of("matched", "swa")


def test_weights_pruned_in_one_go_are_no_rounds_of_the_iterative_pruning(zoo, made):
    def taken(amount, number, ratio, name="swa 0.25 0.5"):
        source = zoo.by_id[made.runs[name]]
        recipe = {**source.recipe, "compress": "unstructured", "amount": amount, "round": number}
        own = {"compression": "unstructured", "ratio_of": "nonzeros", "ratio": ratio, "width": 1.0, "recipe": recipe}
        return source.model_copy(update={"id": f"{source.method}-{ratio}", **own})

    rounds, once = [taken(0.2, 1, 1.25), taken(0.2, 2, 1.56)], [taken(0.6, 1, 2.49), taken(0.9, 1, 9.71)]
    naive = taken(0.9, 1, 9.71, "kd 0.25 0.5")
    wider = replace(zoo, cards=(*zoo.cards, *once, naive, *rounds, taken(0.2, 1, 1.25, "kd 0.25 0.5")))
    assert wider.known("matched", "weights-swa") == tuple(rounds) and wider.axis("ratio", "weights-swa") == (1.25, 1.56)
    assert [wider.family(card) for card in (*once, naive)] == [
        "weights-swa~60% at once", "weights-swa~90% at once", "weights-naive~90% at once"
    ]  # fmt: skip
    assert family_words(wider.family(once[0])) == "SWA (weights pruned), 60% at once"
    assert [smaller(card) for card in (rounds[0], once[0])] == [
        "weights pruned, 1.25x fewer non-zero weights", "weights pruned, 60% at once, 2.49x fewer non-zero weights"
    ]  # fmt: skip
    filters = once[0].model_copy(update={"compression": "structured"})
    assert (family_of(filters), smaller(filters)) == ("filters-swa", "filters pruned, 2.49x fewer non-zero weights")


def test_an_xdistillation_student_says_whose_maps_were_its_target(zoo, made):
    source = zoo.by_id[made.runs["swa 0.25 0.5"]].model_copy(update={"method": "xd", "role": "other", "beta": 0.0})
    cards = [source.model_copy(update={"recipe": {**source.recipe, "explained": name}})
             for name in ("", "grad_cam", "none")]  # fmt: skip
    words = [describe(card).partition("smaller, ")[2] for card in cards]
    assert words == ["target GradientSHAP, λ 0.5", "target Grad-CAM, λ 0.5", "λ 0.5"]
    assert family_words(family_of(cards[1])) == "XDistillation, target Grad-CAM"
    assert describe(cards[2].model_copy(update={"role": "control"})).endswith("with an untrained autoencoder")


def test_a_broken_card_is_named_and_the_rest_is_used(made, tmp_path):
    root = tmp_path / "broken"
    shutil.copytree(made.root, root)
    card = root / "scenes" / made.runs["ewa"] / "card.json"
    card.write_text(json.dumps({"id": made.runs["ewa"]}))
    found = read_zoo("scenes", root=root)
    assert len(found.problems) == 1
    assert made.runs["ewa"] in found.problems[0]
    assert found.teacher is not None


def test_a_run_without_weights_is_in_the_numbers_but_not_on_the_sliders(made, tmp_path):
    shutil.copytree(made.root, tmp_path, dirs_exist_ok=True)
    gone = made.runs["swa 0.125 1"]
    (tmp_path / "scenes" / gone / "model.safetensors").unlink()
    zoo = read_zoo("scenes", root=tmp_path)
    whole = read_zoo("scenes", root=made.root)
    assert zoo.away == {gone} and not zoo.problems and zoo.stamp != whole.stamp
    assert gone in zoo.by_id and gone in {card.id for card in zoo.students}
    choice = whole.choice_of(gone)
    pick = zoo.pick("matched", choice)
    assert whole.pick("matched", choice).card.id == gone
    assert pick.card.id != gone and pick.note.startswith("nearest run")


def test_runs_within_reach_are_those_that_sliders_can_show_and_the_pair(zoo, made):
    reach = set(zoo.within_reach(zoo.default("swa")))
    assert {made.runs["swa 0.125 1"], made.runs["kd 0.25 0.5"]} <= reach
    assert not reach & {made.runs["ewa"], made.runs["second"], made.runs["teacher"]}
    pair = replace(zoo.default("swa"), pair=(made.runs["ewa"], made.runs["second"]))
    assert set(zoo.within_reach(pair)) == reach | {made.runs["ewa"], made.runs["second"]}


def test_an_empty_folder_is_an_empty_zoo(tmp_path):
    found = read_zoo("scenes", root=tmp_path)
    assert (found.teacher, found.students, found.families) == (None, (), ())


def test_the_fingerprint_changes_when_a_card_does(made, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(made.root, root)
    before = fingerprint(root)
    card = root / "scenes" / made.runs["ewa"] / "card.json"
    card.write_text(card.read_text() + "\n")
    assert fingerprint(root) != before


@pytest.mark.parametrize(
    ("own", "family"),
    [
        ({"recipe": {"label": "few"}}, "few"),
        ({"recipe": {"split": "plain"}}, "plain"),
        ({"recipe": {"explained": "none"}, "method": "xd"}, "untrained"),
        ({"recipe": {"shuffled": True}}, "shuffled"),
        ({"recipe": {"label": "sized"}, "method": "kd"}, "sized naive"),
    ],
)
def test_a_control_belongs_to_what_is_different_about_it(zoo, made, own, family):
    card = zoo.by_id[made.runs["swa 0.25 0.5"]].model_copy(update={"role": "control", **own})
    assert family_of(card) == family
    assert naive_of(family.removesuffix(" naive")) in ("naive", "sized naive", "few naive", "plain naive")


def test_runs_that_differ_in_a_weight_of_the_method_are_no_seeds_of_each_other(zoo, made):
    plain = zoo.by_id[made.runs["swa 0.25 0.5"]].model_copy(update={"id": "z-plain", "method": "xd", "role": "other"})
    other = plain.model_copy(update={"id": "a-other", "recipe": {**plain.recipe, "fr_weight": 0.005}})
    naive = plain.model_copy(update={"id": "n", "method": "kd", "recipe": {**plain.recipe, "name": "park-004"}})
    assert [family_of(card) for card in (plain, other, naive)] == ["xd", "xd~F_R 0.005", "naive~recipe park-004"]
    both = replace(zoo, cards=(*zoo.cards, other, plain))
    choice = replace(both.default("xd"), ratio=plain.ratio)
    assert both.pick("matched", choice).card.id == "z-plain" and both.known("matched", "xd") == (plain,)
    assert both.choice_of("a-other").family == "xd" and naive_of("xd~F_R 0.005") == "naive"
    assert family_words("xd~F_R 0.005") == "XDistillation, F_R 0.005"
    assert {"xd", "xd~F_R 0.005"} <= set(families_of(both))
    alone = replace(zoo, cards=(*zoo.cards, other))  # nothing else stands for the method
    assert alone.pick("matched", alone.default("xd")).card.id == "a-other"
    assert "xd" in alone.families and "xd" in families_of(alone)


def test_what_is_no_variant_is_what_a_recipe_has_by_default():
    assert {name: usual for name, (_, usual) in VARIED.items()} == {
        name: Recipe.__dataclass_fields__[name].default for name in VARIED
    }


def test_methods_beside_matching_have_titles_of_their_own(zoo, made):
    card = zoo.by_id[made.runs["swa 0.25 0.5"]]
    titles = {method: title(card.model_copy(update={"method": method, "role": "other"})) for method in ("at", "xd")}
    assert titles == {"at": "AT student", "xd": "XDistillation student"}


@pytest.mark.parametrize(
    ("family", "words", "less"),
    [
        ("swa", "Matched student", "smaller"),
        ("at", "AT student", "smaller"),
        ("slim-ewa", "Matched student", "smaller"),
        ("weights-nst", "NST student", "fewer non-zero weights"),
        ("int8-swa", "Matched student", "fewer bits"),
    ],
)
def test_a_family_says_what_its_matched_students_are_called_and_what_its_ratios_count(family, words, less):
    assert (matched_title(family), less_of(family)) == (words, less)


def test_a_ratio_is_named_by_the_students_of_its_own_family(zoo, made):
    source = zoo.by_id[made.runs["swa 0.25 0.5"]]
    pruned = source.model_copy(update={"id": "pruned", "compression": "unstructured", "ratio_of": "nonzeros"})
    wider = replace(zoo, cards=(*zoo.cards, pruned))
    ratio = wider.default("weights-swa").ratio
    words = [wider.how_small(ratio, family) for family in ("swa", "weights-swa", "int8-swa")]
    assert words == ["1/4 width, 15.8x smaller", "weights pruned, 15.8x fewer non-zero weights", "15.8x fewer bits"]


@pytest.mark.parametrize(
    ("own", "words"),
    [({"kd_form": "reversed"}, "KD form reversed"), ({"freeze_norm": True}, "norms frozen"),
     ({"optimizer": "sgd", "momentum": 0.0}, "optimizer sgd, momentum 0.0"),
     ({"schedule": "constant"}, "schedule constant")],
)  # fmt: skip
def test_naive_runs_of_another_kind_are_no_seeds_of_the_others(zoo, made, own, words):
    usual = zoo.by_id[made.runs["kd 0.25 0.5"]]
    other = usual.model_copy(update={"id": "z-other", "recipe": {**usual.recipe, **own}})
    both = replace(zoo, cards=(*zoo.cards, other))
    assert both.family(usual) == "naive" and both.family(other) == f"naive~{words}"
    assert other not in both.known("naive", "swa") and usual in both.known("naive", "swa")
    assert both.choice_of("z-other").family == both.choice_of(usual.id).family == "swa"
    assert family_words(both.family(other)) == f"Naive, {words}"
