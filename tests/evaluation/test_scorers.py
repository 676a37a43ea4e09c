"""Networks as metrics take them: the same answers and maps as asked directly, nothing of the network changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.explainers.made_nets import everything, gap_net, images, mlp_net
from xkd_core.errors import BadInputError
from xkd_core.evaluation.scorers import explainer, scorer
from xkd_core.explainers.engine import cams
from xkd_core.metrics.planner import Case, Settings
from xkd_core.metrics.probes import measure

SIZE = (13, 10)
X = images(6, SIZE)
TARGETS = np.array([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("net", [gap_net(), mlp_net(SIZE)], ids=["gap", "mlp"])
def test_a_score_gives_the_networks_logits_and_leaves_it_as_it_was(net) -> None:
    before = everything(net)
    score = scorer(net)
    with torch.no_grad():
        wanted = net(X.clone()).numpy()
    found = score(X.numpy())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose(score(X.numpy()[2:3]), wanted[2:3], atol=1e-5)
    assert everything(net) == before


def test_bf16_is_near_and_fp32_stays_fp32() -> None:
    net = gap_net()
    exact, rough = scorer(net)(X.numpy()), scorer(net, precision="bf16")(X.numpy())
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.05 * np.abs(exact).max()
    np.testing.assert_array_equal(scorer(net)(X.numpy()), exact)


def test_explain_gives_the_maps_of_the_engine_after_relu_or_signed() -> None:
    net = gap_net()
    wanted = cams(net, X, torch.from_numpy(TARGETS), ["grad_cam"])["grad_cam"].numpy()
    np.testing.assert_array_equal(explainer(net, "grad_cam", signed=True)(X.numpy(), TARGETS), wanted)
    np.testing.assert_array_equal(explainer(net, "grad_cam")(X.numpy(), TARGETS), np.maximum(wanted, 0))
    occluded = explainer(net, "occlusion", params={"window": 4, "stride": 3})(X.numpy()[:2], TARGETS[:2])
    assert occluded.shape == (2, *SIZE)
    with pytest.raises(BadInputError, match="Superpixels"):
        explainer(net, "kernel_shap")(X.numpy(), TARGETS)


def test_metrics_of_a_torch_network_are_those_of_single_images() -> None:
    net = gap_net()
    maps = explainer(net, "cam")(X.numpy(), TARGETS)
    names = ["faithfulness_estimate", "insertion_auc", "average_drop", "coherency", "adcc", "road"]
    settings = Settings(n_chunks=13, n_steps=5, multi_label=True)
    case = Case(score=scorer(net), maps=maps, targets=TARGETS, explain=explainer(net, "cam"))
    together = measure(X.numpy(), {"it": case}, names, settings)["it"]
    for row in range(len(X)):
        one = slice(row, row + 1)
        alone = Case(score=case.score, maps=maps[one], targets=TARGETS[one], explain=case.explain)
        found = measure(X.numpy()[one], {"it": alone}, names, settings)["it"]
        for name in names:
            np.testing.assert_allclose(found[name].values, together[name].values[one], atol=2e-4)


def test_bf16_ranks_the_images_as_fp32_does() -> None:
    x = images(40, SIZE).numpy()
    net, targets = gap_net(), np.arange(40) % 4
    maps = explainer(net, "cam", signed=True)(x, targets)
    found = []
    for precision in ("fp32", "bf16"):
        case = Case(score=scorer(net, precision=precision), maps=maps, targets=targets)
        found.append(measure(x, {"it": case}, ["deletion_auc"], Settings(n_steps=8))["it"]["deletion_auc"].values)
    assert spearmanr(*found).statistic > 0.99
