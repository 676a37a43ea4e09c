"""The command line as scripts use it: JSON, files, exit codes, one line for an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from xkd_core import __main__ as commands
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.runs import distill
from xkd_core.evaluation.evaluate import evaluate
from xkd_core.evaluation.quick import measure_card
from xkd_core.images.datasets import load
from xkd_core.images.transforms import image_sha256, to_input
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run, write_card
from xkd_core.results.store import read_rows

FIELDS = {
    "id",
    "dataset",
    "arch",
    "role",
    "compression",
    "method",
    "teacher_id",
    "width",
    "ratio",
    "lam",
    "beta",
    "T",
    "seed",
    "params",
    "metrics",
    "sha256",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Card]:
    """A teacher and two students on digits, measured, as `distill` and `evaluate` make them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(place / "home"))
        patch.setenv("XKD_CHECKPOINTS", str(place / "runs"))
        common = {
            "dataset": "digits",
            "arch": "vgg_gap_tiny",
            "split": "train",
            "limit": 512,
            "epochs": 2,
            "batch_size": 32,
            "warmup_epochs": 0.5,
            "lr": 6e-3,
        }
        teacher = distill(Recipe(**common, method="ce"))
        cards = [teacher] + [
            distill(Recipe(**common, method=m, width=0.5, teacher_id=teacher.id)) for m in ("kd", "swa")
        ]
        measured = {card.method: measure_card(card) for card in cards}
        evaluate("digits", heavy=False)
    return measured


def call(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "XKD_HOME": str(place / "home"),
        "XKD_CHECKPOINTS": str(place / "runs"),
        "XKD_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "xkd_core", *arguments], capture_output=True, text=True, check=False, env=environment
    )


def test_runs_as_json_has_the_fields_that_scripts_rely_on(place: Path, runs: dict[str, Card]) -> None:
    listed = json.loads(call(place, "runs", "--json").stdout)
    assert {run["role"] for run in listed} == {"teacher", "naive", "matched"}
    assert all(set(run) >= FIELDS for run in listed)
    matched = next(run for run in listed if run["role"] == "matched")
    assert (matched["width"], matched["lam"], matched["beta"], matched["method"]) == (0.5, 0.5, 2.0, "swa")
    assert set(matched["metrics"]["cosine/cam"]) == {"value", "n", "split"}
    assert matched["metrics"]["accuracy"]["split"] == "test"


def test_the_cards_accuracy_is_that_of_the_stored_file(runs: dict[str, Card], place: Path) -> None:
    test = load("digits", "test")
    model = load_run(runs["kd"].id, place / "runs").model
    logits = model(to_input(test.pixels(range(len(test))), test.info.transform))
    right = (logits.argmax(dim=1).numpy() == test.labels().argmax(axis=1)).mean()
    found = runs["kd"].metrics["accuracy"]
    assert found.value == pytest.approx(right, abs=1e-9) and found.n == len(test)


def test_the_stored_mean_cosine_is_the_cards(runs: dict[str, Card], place: Path) -> None:
    rows = read_rows("digits", "maps", root=place / "runs")
    mine = rows[(rows["run_id"] == runs["swa"].id) & (rows["explainer"] == "cam")]["cosine"].astype(float)
    found = runs["swa"].metrics["cosine/cam"]
    assert found.value == pytest.approx(mine.mean(), rel=1e-3) and found.n == int(mine.notna().sum())


def test_explain_writes_raw_signed_maps_that_repeat(place: Path, runs: dict[str, Card], tmp_path: Path) -> None:
    run = runs["swa"]
    arguments = ("--run", run.id, "--data", "digits:test:3-7", "--explainer", "grad_cam", "--target", "teacher")
    for name in ("a.npz", "b.npz"):
        done = call(place, "explain", *arguments, "--out", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as found:
        maps, targets, logits, shas, meta = (
            found[key] for key in ("maps", "targets", "logits", "image_sha256", "meta")
        )
    assert maps.dtype == np.float32 and maps.shape == (5, 8, 8) and maps.min() < 0
    test = load("digits", "test")
    model, x = load_run(run.id, place / "runs").model, to_input(test.pixels(range(3, 8)), test.info.transform)
    weight = model.classifier.weight.detach().numpy()[targets]
    by_hand = (weight[:, :, None, None] * model.features(x).numpy()).sum(axis=1) / 64  # Grad-CAM: α_k = w_ck / N
    np.testing.assert_allclose(maps, by_hand, atol=1e-5)
    teacher = load_run(runs["ce"].id, place / "runs").model
    assert targets.tolist() == teacher(x).argmax(dim=1).tolist()
    np.testing.assert_allclose(logits, model(x).numpy(), atol=1e-5)
    assert shas.tolist() == [image_sha256(test[index].pixels) for index in range(3, 8)]
    assert json.loads(str(meta))["layer"] == "features"


@pytest.mark.parametrize("explainer", ["cam", "gradient_shap"])
def test_images_of_another_kind_are_explained_with_a_warning_and_without_the_training_data(
    place: Path, runs: dict[str, Card], tmp_path: Path, explainer: str
) -> None:
    out = tmp_path / "maps.npz"
    done = call(place, "explain", "--run", runs["swa"].id, "--data", "photos:all:3-4", "--explainer", explainer,
                "--target", "own", "--out", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "outside the training data" in done.stderr
    with np.load(out, allow_pickle=False) as found:
        assert json.loads(str(found["meta"]))["outside_training_data"] == "photos"
        assert found["maps"].shape[0] == 2 and np.isfinite(found["maps"]).all()


def sweep_file(place: Path) -> Path:
    path = place / "sweep.yaml"
    path.write_text(
        "defaults: {dataset: digits, arch: vgg_gap_tiny, split: train, limit: 256, epochs: 1, batch_size: 32}\n"
        "teachers: [{method: ce}]\nstudents: [{method: kd, slimmable: true, width: 0.5}]\n"
    )
    return path


@pytest.mark.timeout(600)
def test_collect_measures_each_width_of_a_finished_slimmable_run(place: Path, runs: dict[str, Card]) -> None:
    path = str(sweep_file(place))
    assert call(place, "sweep", "run", path).returncode == 0
    assert "digits: 8 runs" in call(place, "sweep", "collect", path, "--no-heavy").stdout
    listed = [card for card in json.loads(call(place, "runs", "--json").stdout) if card["compression"] == "slimmable"]
    assert len(listed) == 7 and all(card["metrics"]["accuracy"]["n"] > 0 for card in listed)
    rows = read_rows("digits", "maps", root=place / "runs")
    means = rows[rows["run_id"].isin([card["id"] for card in listed])].groupby("run_id")["cosine_shuffled"].mean()
    assert len(set(means)) == len(means) == 7  # one file, seven networks
    data = load("digits", "test")
    for card in listed:
        own = load_run(card["id"], place / "runs")
        x = to_input(data.pixels(range(len(data))), own.card.input_transform())
        with torch.no_grad():
            right = own.model(x).argmax(dim=1).numpy() == data.labels().argmax(axis=1)
        assert card["metrics"]["accuracy"]["value"] == pytest.approx(right.mean(), abs=1e-4)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("method", ["at", "nst", "ab"])
def test_distill_trains_and_measures_what_transfers_activations(
    place: Path, runs: dict[str, Card], method: str
) -> None:
    options = ["--dataset", "digits", "--width", "0.5", "--epochs", "2", "--limit", "128", "--quiet"]
    made = call(place, "distill", "--method", method, *options)
    assert made.returncode == 0, made.stderr
    card = json.loads((place / "runs" / "digits" / made.stdout.strip() / "card.json").read_text())
    assert (card["method"], card["beta"]) == (method, {"at": 2, "nst": 10, "ab": 10}[method])
    assert card["metrics"]["cosine/cam"]["n"] > 0


@pytest.mark.timeout(600)
def test_a_named_recipe_is_trained_with_what_the_user_changes_and_says_so(place: Path, runs: dict[str, Card]) -> None:
    options = ["--dataset", "digits", "--arch", "lenet5_32", "--split", "train", "--epochs", "1", "--limit", "128"]
    made = call(place, "distill", "--recipe-name", "park-004-kd-small", "--width", "0.5", *options, "--quiet")
    assert made.returncode == 0, made.stderr
    card = json.loads((place / "runs" / "digits" / made.stdout.strip() / "card.json").read_text())
    assert card["metrics"]["cosine/grad_cam"]["n"] > 0  # its head allows no CAM
    assert "epochs: 1 (paper: 350)" in card["differs"] and card["lam"] == 0.9


@pytest.mark.parametrize(("given", "used"), [("", 3), ("2", 2)])
def test_a_run_is_trained_again_with_the_threads_that_it_had(
    runs: dict[str, Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, used: int
) -> None:
    card = runs["ce"].model_copy(update={"versions": {**runs["ce"].versions, "threads": "3"}})
    write_card(tmp_path / "digits" / card.id, card)
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("XKD_THREADS", given)
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr("xkd_core.distillation.runs.distill", lambda *_, **__: seen.append(torch.get_num_threads()))
    monkeypatch.setattr("xkd_core.__main__._measure", lambda card: sys.exit(0))
    try:
        with pytest.raises(SystemExit):
            commands.distill(run=card.id)
    finally:
        torch.set_num_threads(before)
    assert seen == [used]


def test_recipes_are_listed_with_what_differs_from_their_papers(place: Path) -> None:
    listed = call(place, "recipes").stdout
    assert "park-004-swa-small: Park et al. 2020" in listed
    assert "    arch: 'vgg_gap_64' (paper: 'vgg16_voc')" in listed


@pytest.mark.timeout(600)
def test_prune_and_quantize_print_the_ids_of_measured_runs(place: Path, runs: dict[str, Card]) -> None:
    teacher = next(card.id for card in runs.values() if card.role == "teacher")
    options = ["--rounds", "2", "--epochs", "1", "--limit", "256", "--method", "kd", "--quiet"]
    made = call(place, "prune", "--run", teacher, *options).stdout.split()
    assert len(made) == 2, made
    made += call(place, "quantize", "--run", teacher).stdout.split()
    listed = {card["id"]: card for card in json.loads(call(place, "runs", "--json").stdout)}
    assert [listed[run]["compression"] for run in made] == ["unstructured", "unstructured", "int8"]
    assert all(listed[run]["metrics"]["accuracy"]["n"] > 0 for run in made)
    assert listed[made[1]]["nonzeros"] < listed[made[0]]["nonzeros"] < listed[made[0]]["params"]

    weights = place / "runs" / "digits" / made[2] / "model.safetensors"
    before = weights.read_bytes()
    weights.unlink()  # as of a run of which only the card is shipped
    assert call(place, "distill", "--run", made[2], "--quiet").stdout.split() == [made[2]]
    assert weights.read_bytes() == before
    for refused in (("quantize",), ("prune", "--how", "structured"), ("prune",)):
        assert "8-bit" in call(place, *refused, "--run", made[2]).stderr


EXPLAIN = ("explain", "--run", "RUN", "--data", "digits:test:0", "--out", "x.npz")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain", "--run", "nobody", "--data", "digits:test:0", "--explainer", "cam", "--out", "x.npz"), "No run"),
        (("explain", "--run", "RUN", "--data", "digits:test", "--explainer", "magic", "--out", "x.npz"), "magic"),
        (("explain", "--run", "RUN", "--data", "digits:test:9-2", "--explainer", "cam", "--out", "x.npz"), "A <= B"),
        (("explain", "--run", "RUN", "--data", "digits:test:0", "--explainer", "cam", "--out", "x.txt"), ".npz"),
        (
            (*EXPLAIN, "--explainer", "cam", "--target", "99"),
            "99",
        ),
        (("distill", "--dataset", "digits", "--lam", "3"), "lam must be in 0..1"),
        (("distill", "--dataset", "moon"), "moon"),
        (("distill", "--recipe", "{"), "JSON"),
        (("distill", "--recipe-name", "park"), "No recipe called 'park'"),
        (("distill", "--dataset", "digits", "--method", "swa", "--mask", "shared"), "mask is read by sswa only"),
        (("sweep", "plan", "nowhere.yaml"), "nowhere.yaml"),
        (("summary", "--dataset", "scenes"), "Nothing is stored"),
        (("distill", "--recipe", '{"foo": 1}'), "no field 'foo'"),
        (
            ("distill", "--recipe", '{"dataset": "digits", "arch": "vgg_gap_tiny", "split": "train", "epochs": "x"}'),
            "epochs must be of type int",
        ),
        (("sweep", "run", "SWEEP", "--engine", "magic"), "local or ray"),
        (("sweep", "run", "SWEEP", "--engine", "ray", "--address", "127.0.0.1:9"), "No Ray cluster answers"),
        (("prune", "--run", "nobody"), "No run"),
        (("prune", "--run", "RUN", "--how", "magic"), "unstructured"),
        (("prune", "--run", "RUN", "--how", "structured", "--amount", "0.99"), "amount must be in"),
        (("prune", "--run", "RUN", "--rounds", "0"), "rounds must be 1 or more"),
        (("prune", "--run", "RUN", "--how", "int8"), "Pruning is unstructured or structured; got 'int8'"),
        (("prune", "--run", "RUN", "--how", ""), "Pruning is unstructured or structured; got ''"),
        (("distill", "--dataset", "digits", "--seed", "-1"), "seed must be in 0.."),
        (("distill", "--dataset", "digits", "--method", "ce", "--width", "0.5"), "--method kd --lam 0"),
        (("distill", "--run", "RUN", "--epochs", "5"), "leave out what else was given: epochs"),
        (("distill", "--run", "RUN", "--seed", "7"), "leave out what else was given: seed"),
        (("distill", "--run", "RUN", "--recipe", "{}"), "leave out what else was given: recipe"),
        (("sweep", "run", "SWEEP", "--engine", "ray", "--minutes", "5"), "--minutes is for the local engine"),
        (("quantize", "--run", "nobody"), "No run"),
        (("distill", "--dataset", "digits", "--teacher", "nobody"), "No run called 'nobody'"),
        (("sweep", "plan", "BROKEN"), "not valid YAML"),
        (("evaluate", "--dataset", "moon"), "No data set called 'moon'"),
        (("evaluate", "--dataset", "digits", "--images", "5"), "--images goes with --metrics"),
        (("evaluate", "--data", "digits:test", "--metrics", "magic"), "No metric called 'magic'"),
        (("evaluate", "--data", "digits:test", "--explainers", "magic"), "No explainer called 'magic'"),
        (("evaluate", "--data", "digits:test", "--metrics", "gini", "--runs", "nobody"), "No run of digits"),
        (("summary", "--dataset", "moon"), "No data set called 'moon'"),
        (("summary", "--dataset", "digits", "--lam", "0.3"), "No student of digits has λ 0.3"),
        (("evaluate", "--data", "digits:val"), "the split 'val' goes with --metrics"),
        (("evaluate", "--dataset", "digits", "--engine", "ray"), "--engine ray goes with --metrics"),
        (("evaluate", "--data", "digits:val", "--dataset", "digits"), "not both"),
        (("summary", "--dataset", "digits", "--runs", "RUN"), "--runs and --explainers go with --metrics"),
        (("summary", "--dataset", "moon", "--metrics", "gini"), "No data set called 'moon'"),
        (("summary", "--dataset", "digits:tset", "--metrics", "gini"), "No split of digits called 'tset'"),
        (
            (*EXPLAIN, "--explainer", "rise", "--seed", "-1"),
            "seed must be 0 or more",
        ),
        (("roar", "--runs", "RUN", "--arch", "magic"), "No architecture called 'magic'"),
        (("roar", "--runs", "RUN", "--width", "0"), "width must be in"),
    ],
)
def test_bad_input_is_one_line_and_a_failure(
    place: Path, runs: dict[str, Card], arguments: tuple[str, ...], said: str
) -> None:
    broken = place / "broken.yaml"
    broken.write_text("# no sweep\nteachers: **{\n- [\n")
    words = {"RUN": runs["swa"].id, "SWEEP": str(sweep_file(place)), "BROKEN": str(broken)}
    done = call(place, *(words.get(word, word) for word in arguments))
    assert done.returncode != 0
    assert said in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_importing_the_package_imports_neither_torch_nor_streamlit() -> None:
    code = "import sys, xkd_core, xkd_core.types, xkd_core.catalogue; print({'torch', 'streamlit'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
