"""An image and all runs: the numbers on screen are those of the evaluation, and damage stays local."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.made_zoo import N_IMAGES
from xkd_core.errors import BadInputError
from xkd_core.models.checkpoints import load_run
from xkd_core.serving import stored, subjects
from xkd_core.serving.desk import Desk, ViewRequest, automatic, forwards
from xkd_core.serving.explaining import explain_image
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.shelf import Recent, Shelf
from xkd_core.serving.views import ALONE, impossible
from xkd_core.serving.zoo import read_zoo

ROOT = Path(__file__).parents[2]


def cards_of(zoo):
    return [zoo.teacher, *[card for card in zoo.cards if card.id != zoo.teacher.id]]


@pytest.fixture
def zoo(place):
    return read_zoo("scenes")


@pytest.fixture
def view(zoo):
    subject = subjects.subject(subjects.key_of("scenes", 4))
    return explain_image(subject, cards_of(zoo), names=["cam", "layer_cam", "occlusion"], shelf=Shelf())


def test_every_run_is_explained_in_one_go(view, zoo):
    assert set(view.runs) == set(zoo.by_id)
    assert not view.broken
    for run in view.runs.values():
        assert set(run.maps) == {"cam", "layer_cam"}  # occlusion does not come with the forward pass
        assert all(grid.shape == (8, 8) and grid.dtype == np.float32 for grid in run.maps.values())


def test_live_cosines_equal_the_stored_rows(zoo):
    results = read_results("scenes")
    for index in range(0, N_IMAGES, 5):
        subject = subjects.subject(subjects.key_of("scenes", index))
        view = explain_image(subject, cards_of(zoo), names=["cam"], shelf=Shelf())
        for run_id, run in view.runs.items():
            stored = results.row(run_id, "cam", index)
            for name in ("cosine", "pointing", "roc_auc"):
                live, kept = run.scores["cam"].values.get(name), float(stored[name])
                if run_id == zoo.teacher.id and name == "cosine":
                    assert live is None  # a teacher has no similarity to itself on screen
                elif np.isnan(kept):
                    assert live is None
                else:
                    assert live == pytest.approx(kept, rel=1e-3, abs=2e-4)


def test_cam_sums_to_the_logit_minus_its_bias(view, zoo):
    for run_id, run in view.runs.items():
        bias = load_run(run_id).model.classifier.bias[run.target].item()
        assert run.maps["cam"].sum() == pytest.approx(run.logits[run.target] - bias, abs=1e-4)


def test_target_policies_choose_what_they_say(zoo):
    subject = subjects.subject(subjects.key_of("scenes", 2))
    own = explain_image(subject, cards_of(zoo), names=["cam"], policy="own", shelf=Shelf())
    assert all(run.target == int(run.logits.argmax()) for run in own.runs.values())
    label = explain_image(subject, cards_of(zoo), names=["cam"], policy="label", shelf=Shelf())
    assert {run.target for run in label.runs.values()} == {subject.labels[0]}
    zero = explain_image(subject, cards_of(zoo), names=["cam"], policy="0", shelf=Shelf())
    assert {run.target for run in zero.runs.values()} == {0}  # class 0 is a class
    with pytest.raises(BadInputError, match="Class 99"):
        explain_image(subject, cards_of(zoo), names=["cam"], policy="99", shelf=Shelf())


def test_a_tampered_run_is_named_and_the_others_are_shown(made, monkeypatch, tmp_path):
    root = tmp_path / "tampered"
    shutil.copytree(made.root, root)
    monkeypatch.setenv("XKD_CHECKPOINTS", str(root))
    weights = root / "scenes" / made.runs["ewa"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9] + b"tampered!")
    zoo = read_zoo("scenes")
    subject = subjects.subject(subjects.key_of("scenes", 0))
    view = explain_image(subject, cards_of(zoo), names=["cam"], shelf=Shelf())
    assert set(view.broken) == {made.runs["ewa"]}
    assert "sha256" in view.broken[made.runs["ewa"]]
    assert len(view.runs) == len(zoo.cards) - 1


def test_without_its_teacher_nothing_is_compared(made, monkeypatch, tmp_path):
    root = tmp_path / "headless"
    shutil.copytree(made.root, root)
    monkeypatch.setenv("XKD_CHECKPOINTS", str(root))
    (root / "scenes" / made.runs["teacher"] / "model.safetensors").write_bytes(b"")
    zoo = read_zoo("scenes")
    view = explain_image(subjects.subject(subjects.key_of("scenes", 0)), cards_of(zoo), names=["cam"], shelf=Shelf())
    assert not view.runs
    assert made.runs["teacher"] in view.broken


def test_what_a_run_never_has_is_neither_missing_nor_computed(zoo):
    desk, cards = Desk(), list(cards_of(zoo)[:3])
    request = ViewRequest(key=subjects.key_of("scenes", 1), stamp=zoo.stamp, explainers=("cam",))
    view = desk.view(request, zoo)
    rounded = [cards[0], *(card.model_copy(update={"compression": "int8"}) for card in cards[1:])]
    assert [impossible(name, rounded[1]) for name in ("cam", "occlusion")] == ["", ""]
    assert impossible("saliency", rounded[1]) and not impossible("saliency", cards[1])
    assert desk.missing(view, rounded, ["saliency"]) == ("saliency",)  # the teacher's
    assert desk.compute(view, rounded, ["saliency"]).future.result(timeout=60)
    assert desk.missing(view, rounded, ["saliency"]) == ()
    shown = desk.with_maps(view, zoo, ["saliency"], read_results("scenes"))
    assert ["saliency" in shown.runs[card.id].maps for card in cards] == [True, False, False]


def test_heavier_maps_come_as_a_job_and_equal_the_engine(zoo):
    from xkd_core.explainers import engine
    from xkd_core.images.transforms import to_input

    desk = Desk()
    request = ViewRequest(key=subjects.key_of("scenes", 1), stamp=zoo.stamp, explainers=("cam",))
    view = desk.view(request, zoo)
    cards = cards_of(zoo)[:3]
    assert desk.missing(view, cards, ["cam", "occlusion"]) == ("occlusion",)
    job = desk.compute(view, cards, ["occlusion"])
    assert job.future.result(timeout=60)
    assert job.done == pytest.approx(1.0)
    assert desk.missing(view, cards, ["occlusion"]) == ()
    shown = desk.with_maps(view, zoo, ["occlusion"], read_results("scenes"))
    run = load_run(cards[1].id)
    x = to_input(view.subject.input[None], run.card.input_transform())
    target = torch.tensor([view.runs[cards[1].id].target])
    alone = engine.explain({"one": run.model}, x, {"one": target}, names=["occlusion"])["one"]["occlusion"]
    assert np.allclose(shown.runs[cards[1].id].maps["occlusion"], alone.maps[0], atol=1e-6)
    scores = shown.runs[cards[1].id].scores["occlusion"]
    assert scores.cosine is not None
    # The shuffled control: the same cosine with the teacher's map of the image half the split away.
    partner = subjects.subject(subjects.key_of("scenes", 1001))
    theirs = load_run(cards[0].id)
    other = to_input(partner.input[None], theirs.card.input_transform())
    top = theirs.model(other).argmax(dim=1)
    control = engine.explain({"one": theirs.model}, other, {"one": top}, names=["occlusion"])["one"]["occlusion"].maps[
        0
    ]
    ours = alone.maps[0]
    by_hand = float((control * ours).sum() / np.sqrt((control**2).sum() * (ours**2).sum()))
    assert scores.shuffled == pytest.approx(by_hand, abs=1e-4)
    assert "occlusion" not in shown.runs[cards_of(zoo)[5].id].maps  # not asked for: not computed yet


def test_shipped_native_values_become_the_maps_they_came_from(zoo):
    """As evaluation stores them: flattened float16, superpixel values padded with NaN."""
    from xkd_core.explainers import engine
    from xkd_core.images.transforms import to_input

    subject = subjects.subject(subjects.key_of("scenes", 3))
    cards = cards_of(zoo)[:2]
    runs = {card.id: load_run(card.id).model for card in cards}
    x = to_input(subject.input[None], cards[0].input_transform())
    view = explain_image(subject, cards_of(zoo), names=["cam"], shelf=Shelf())
    targets = {run_id: torch.tensor([view.runs[run_id].target]) for run_id in runs}
    names = {"occlusion": "grid", "kernel_shap": "coefficients"}
    found = engine.explain(runs, x, targets, names=list(names), images=subject.input[None])
    rows = [
        {"run_id": run_id, "explainer": name, "index": 3,
         "values": found[run_id][name].native[native].reshape(-1).astype(np.float16)}
        for run_id in runs for name, native in names.items()
    ]  # fmt: skip
    results = Results(dataset="scenes", gallery=pd.DataFrame(rows))
    shown = Desk().with_maps(view, zoo, list(names), results)
    for run_id in runs:
        for name in names:
            exact = found[run_id][name].maps[0]
            assert np.allclose(shown.runs[run_id].maps[name], exact, atol=2e-3 * np.abs(exact).max()), name
            assert shown.runs[run_id].scores[name].reason in ("", "no positive evidence")
    other = subjects.subject(subjects.key_of("scenes", 4))
    assert not stored.shipped(results, other, "occlusion")


def test_the_same_view_is_computed_once(zoo, monkeypatch):
    desk = Desk()
    request = ViewRequest(key=subjects.key_of("scenes", 1), stamp=zoo.stamp, explainers=("cam",))
    assert desk.view(request, zoo) is desk.view(request, zoo)


def test_costs_are_forwards_and_slow_explainers_are_not_started_unasked(zoo):
    cards = cards_of(zoo)[:3]
    # 7 x 7 windows and the image itself; the teacher also explains the image of the shuffled control
    assert forwards(["occlusion"], cards) == (3 + 1) * 50
    assert automatic("occlusion", cards[0])
    assert not automatic("kernel_shap", cards[0]) or forwards(["kernel_shap"], cards[:1]) <= 700


def test_photos_are_marked_outside_and_have_no_labels():
    key = subjects.key_of("photos", 3)
    assert key.outside
    assert key.networks == "cifar10"
    subject = subjects.subject(key)
    assert subject.input.shape == (32, 32, 3)
    assert subject.photo.shape == (subjects.DISPLAY_PX, subjects.DISPLAY_PX, 3)
    assert subject.labels == ()


def test_scenes_are_drawn_again_crisp_for_the_eye():
    subject = subjects.subject(subjects.key_of("scenes", 3))
    assert subject.input.shape == (64, 64, 3)
    assert subject.photo.shape == (256, 256, 3)
    small = subject.photo.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), subject.input.ravel())[0, 1] > 0.9  # the same scene
    assert set(subject.masks) == set(subject.labels)


def test_an_index_outside_the_split_is_brought_to_its_end():
    assert subjects.key_of("scenes", 10**9).index == subjects.images_in("scenes") - 1
    assert subjects.key_of("scenes", -4).index == 0


def test_recent_forgets_the_value_that_was_not_used_for_the_longest_time():
    recent = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_recent_keeps_no_failure():
    recent, calls = Recent(2), []

    def fail_once():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first")
        return 7

    with pytest.raises(ValueError, match="first"):
        recent.get_or_make("a", fail_once)
    assert recent.get_or_make("a", fail_once) == 7


def test_a_learned_map_is_drawn_for_its_own_run_alone_and_compared_with_none(monkeypatch):
    monkeypatch.setenv("XKD_CHECKPOINTS", str(ROOT / "checkpoints"))
    zoo = read_zoo("scenes")
    learned = next(card for card in zoo.cards if card.method == "surrogate" and card.id not in zoo.away)
    others = [card for card in zoo.cards if card.method in ("ce", "swa") and card.id not in zoo.away][:2]
    cards = [zoo.teacher, *(card for card in (*others, learned) if card.id != zoo.teacher.id)]
    desk = Desk()
    key = subjects.key_of("scenes", 1)
    request = ViewRequest(key=key, stamp=zoo.stamp, explainers=("cam",), runs=tuple(card.id for card in cards))
    view = desk.view(request, zoo)
    assert desk.missing(view, cards, ["surrogate"]) == ("surrogate",)
    assert desk.compute(view, cards, ["surrogate"]).future.result(timeout=60)
    shown = desk.with_maps(view, zoo, ["surrogate"], read_results("scenes"))
    assert [card.id for card in cards if "surrogate" in shown.runs[card.id].maps] == [learned.id]
    scores = shown.runs[learned.id].scores["surrogate"]
    assert scores.reason == ALONE and scores.cosine is None and "pointing" in scores.values
    assert desk.missing(view, cards[:2], ["surrogate"]) == () and desk.compute(view, cards[:2], ["surrogate"])
