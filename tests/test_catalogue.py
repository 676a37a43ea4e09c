"""The catalogue: every entry has a function, texts and a second derivation; reading it stays cheap."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from tests.oracles import REFERENCE_TESTS
from xkd_core import catalogue
from xkd_core.catalogue import EXPLAINERS, METRICS, RETRAINED
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.metrics.probes import PROBES

ENTRIES = {**EXPLAINERS, **METRICS, **RETRAINED}
ROOT = Path(__file__).resolve().parent.parent
ORACLE_FILES = sorted((ROOT / "tests").glob("oracles*.py"))


TABLES = [importlib.import_module(f"tests.{path.stem}").ORACLES for path in ORACLE_FILES]
ORACLES = {name: function for table in TABLES for name, function in table.items()}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_has_an_oracle_or_a_named_reference_test(name: str) -> None:
    if name in ORACLES:
        return
    path, _, function = REFERENCE_TESTS[name].partition("::")
    assert f"def {function}(" in (ROOT / path).read_text()


def test_every_oracle_belongs_to_an_entry() -> None:
    assert len(ORACLES) == sum(map(len, TABLES))
    assert set(ORACLES) | set(REFERENCE_TESTS) == set(ENTRIES)


@pytest.mark.parametrize("path", ORACLE_FILES, ids=lambda path: path.stem)
def test_the_oracles_import_nothing_of_the_package(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    allowed = {"__future__", "math", "collections", "itertools", "numpy", "zlib"}
    assert not [name for name in names if name.split(".")[0] not in allowed and not name.startswith("tests.oracles")]


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_resolves_and_says_what_it_is(name: str) -> None:
    entry = ENTRIES[name]
    assert callable(catalogue.resolve(entry))
    assert entry.title
    assert entry.summary.endswith((".", "?"))
    assert entry.formula
    assert entry.source


def test_every_metric_says_its_chance_level_and_when_it_is_undefined() -> None:
    for info in METRICS.values():
        assert info.chance
        assert info.undefined
        assert info.low < info.high


@pytest.mark.parametrize("name", METRICS)
def test_every_compat_option_is_declared_and_every_declared_one_exists(name: str) -> None:
    """The formula's own ``compat`` argument, or for faithfulness metrics what can be measured as "name@compat"."""
    declared = {option for option, meaning in METRICS[name].compat if meaning}
    hint = get_type_hints(catalogue.resolve(METRICS[name])).get("compat")
    own = {value for part in get_args(hint) if get_origin(part) is Literal for value in get_args(part)}
    if METRICS[name].family == "faithfulness":
        assert {probe for probe in PROBES if probe.partition("@")[0] == name} == {
            name,
            *(f"{name}@{option}" for option in declared),
        }
        assert own <= declared
    else:
        assert own == declared


def test_reading_the_catalogue_imports_no_torch() -> None:
    code = (
        "import sys, xkd_core.catalogue; print([m for m in ('torch', 'numpy.random._x', 'captum') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_teaches() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'grad_cam'"):
        catalogue.get("explainer", "gradcam")
    with pytest.raises(UnknownNameError, match="No map called 'occlusion'"):
        catalogue.get("map", "occlusion")


def test_equal_on_gap_is_mutual() -> None:
    for name, entry in EXPLAINERS.items():
        assert all(name in EXPLAINERS[other].equal_on_gap for other in entry.equal_on_gap)


def test_of_equal_maps_the_first_is_kept() -> None:
    names = ("excitation_backprop", "cam", "occlusion", "layer_cam", "hires_cam", "grad_cam_pp")
    assert catalogue.distinct(names) == ("excitation_backprop", "cam", "occlusion", "grad_cam_pp")


def test_in_the_loss_is_what_the_run_was_trained_on_and_everything_equal_to_it() -> None:
    trained = {
        method: {name for name in EXPLAINERS if catalogue.in_loss(method, name)}
        for method in ("ce", "kd", "ewa", "swa", "sswa", "at", "nst", "ab")
    }
    same_as_cam = {"cam", "grad_cam", "hires_cam", "xgrad_cam"}
    assert {method for method, names in trained.items() if not names} == {"ce", "kd", "nst", "ab"}
    assert trained["swa"] == trained["sswa"] == same_as_cam
    assert trained["ewa"] == trained["at"] == {"ewa"}


def test_in_the_loss_depends_on_the_head_and_on_the_layers() -> None:
    without_pooling = {name for name in EXPLAINERS if catalogue.in_loss("swa", name, gap=False)}
    assert without_pooling == {"grad_cam"}
    assert catalogue.in_loss("at", "ewa", layers="last-1+last")
    assert not any(catalogue.in_loss(method, name, layers="last-1") for method in ("at", "swa") for name in EXPLAINERS)


def test_options_fill_in_defaults_and_refuse_what_is_not_there() -> None:
    assert catalogue.options("kernel_shap", {"n_samples": 128}) == {"n_samples": 128, "n_superpixels": 19}
    with pytest.raises(UnknownNameError, match="n_samples"):
        catalogue.options("kernel_shap", {"samples": 128})
    with pytest.raises(BadInputError, match="64 to 16384"):
        catalogue.options("kernel_shap", {"n_samples": 1})
    with pytest.raises(BadInputError, match="of type int"):
        catalogue.options("kernel_shap", {"n_samples": True})


def test_defaults_lie_in_their_ranges() -> None:
    for name, entry in EXPLAINERS.items():
        assert catalogue.options(name, {param.name: param.default for param in entry.params}) is not None


def test_occlusion_costs_one_forward_for_each_window_and_one_for_the_image() -> None:
    assert catalogue.cost("occlusion", {}, 64) == 50  # windows of 16, steps of 8: 7 x 7
    assert catalogue.cost("occlusion", {}, 32) == 50
    assert catalogue.cost("occlusion", {"window": 10, "stride": 7}, 37) == 1 + 5 * 5  # the last one is cut off
    with pytest.raises(BadInputError, match="stride <= window"):
        catalogue.cost("occlusion", {"window": 4, "stride": 8}, 64)


def test_costs_of_the_others() -> None:
    assert catalogue.cost("cam", {}, 64) == 1
    assert catalogue.cost("gradient_shap", {}, 64) == 100
    assert catalogue.cost("kernel_shap", {"n_samples": 256}, 64) == 258
    assert catalogue.cost("score_cam", {}, 64, channels=32) == 33


@pytest.mark.parametrize("name", [name for name, entry in EXPLAINERS.items() if entry.needs == "model"])
def test_functions_have_the_parameters_and_defaults_that_the_catalogue_states(name: str) -> None:
    signature = inspect.signature(catalogue.resolve(EXPLAINERS[name])).parameters
    defaults = {key: value.default for key, value in signature.items() if key != "request"}
    assert defaults == {param.name: param.default for param in EXPLAINERS[name].params}
