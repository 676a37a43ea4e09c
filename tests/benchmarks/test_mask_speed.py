"""RISE and LIME against what users compose: ``pytest tests/benchmarks/test_mask_speed.py``.

RISE: the authors' recipe (masks kept whole, the image multiplied by all of them, maps of every class), on the same
masks, made before; and the making of the masks by itself. LIME: the authors' package and captum's Lime, with the
same superpixels, number of samples and ridge, in batches of 50. Same networks and image, one run, rounds alternate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import Lime
from captum.attr._core.lime import get_exp_kernel_similarity_function
from lime import lime_image
from skimage.transform import resize
from torch import Tensor, nn

from tests.benchmarks import test_explainer_speed as speed
from tests.explainers.made_nets import pixels
from xkd_core.explainers.engine import explain
from xkd_core.explainers.rise import draws
from xkd_core.explainers.superpixels import superpixels

SIDE, N_MASKS, N_SAMPLES = 64, 1000, 500
AUTHORS_BATCH, LIME_BATCH = 100, 50
WHICH = ["all", *speed.WIDTHS]
pytestmark = pytest.mark.timeout(3600)
models, image = speed.models, speed.image  # fixtures
lime_image.tqdm = iter  # its progress bar, which has no switch


def authors_masks(grids: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """(N, 1, S, S), one scikit-image call for each, as in their generate_masks."""
    cells = grids.shape[-1]
    up = (cells + 1) * -(-SIDE // cells)
    masks = np.empty((len(grids), 1, SIDE, SIDE), dtype=np.float32)
    for mask, grid, (row, column) in zip(masks, grids, shifts, strict=True):
        large = resize(grid, (up, up), order=1, mode="reflect", anti_aliasing=False)
        mask[0] = large[row : row + SIDE, column : column + SIDE]
    return masks


def authors_rise(model: nn.Module, image: Tensor, masks: Tensor, p_shown: float = 0.5) -> Tensor:
    """Maps of all classes (C, S, S), as in the forward of their class, without the graph."""
    with torch.no_grad():
        shown = masks * image
        sure = torch.cat([model(part).softmax(dim=1) for part in shown.split(AUTHORS_BATCH)])
        return (sure.T @ masks.flatten(1)).reshape(-1, SIDE, SIDE) / len(masks) / p_shown


@pytest.mark.parametrize("which", WHICH)
def test_rise_against_the_authors_recipe(
    benchmark: Any, models: dict[str, nn.Module], image: Tensor, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = models if which == "all" else {which: models[which]}
    made = draws(N_MASKS, 0, (SIDE, SIDE), 0.5, seed=0)
    masks = torch.from_numpy(authors_masks(made.grids.numpy(), made.shifts.numpy()))

    def ours() -> dict[str, Any]:
        return explain(chosen, image, speed.targets(chosen), names=["rise"])

    def theirs() -> list[Tensor]:
        return [authors_rise(model, image, masks) for model in chosen.values()]

    for found, wanted in zip(ours().values(), theirs(), strict=True):
        np.testing.assert_allclose(found["rise"].maps[0], wanted[int(speed.TARGET)], atol=1e-5)
    title = f"authors' recipe with masks made before / ours, RISE of {N_MASKS} masks, {which}"
    with capsys.disabled():
        speed.compare(benchmark, title, ours, theirs, goal=">= 1.3")


def test_making_masks_against_the_authors(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made = draws(N_MASKS, 0, (SIDE, SIDE), 0.5, seed=0)

    def ours() -> None:
        draws(N_MASKS, 0, (SIDE, SIDE), 0.5, seed=0).drawn(slice(0, N_MASKS))

    def theirs() -> None:
        authors_masks(made.grids.numpy(), made.shifts.numpy())

    with capsys.disabled():
        speed.compare(benchmark, f"authors' / ours, making {N_MASKS} masks", ours, theirs, goal=">= 5")


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("library", ["lime", "captum"])
def test_lime_against_the_libraries(
    benchmark: Any,
    models: dict[str, nn.Module],
    image: Tensor,
    which: str,
    library: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = models if which == "all" else {which: models[which]}
    shown = pixels(1, (SIDE, SIDE))
    labels = superpixels(shown)

    def ours() -> None:
        explain(chosen, image, speed.targets(chosen), names=["lime"], images=shown)

    def theirs() -> None:
        for model in chosen.values():
            (by_package if library == "lime" else by_captum)(model, image, labels)

    title = f"{library} / ours, LIME of {N_SAMPLES} samples, {which}"
    with capsys.disabled():
        speed.compare(benchmark, title, ours, theirs, goal=">= 1.3")


def by_package(model: nn.Module, image: Tensor, labels: np.ndarray) -> None:
    def logits(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2)).numpy()

    lime_image.LimeImageExplainer(random_state=0).explain_instance(
        image[0].permute(1, 2, 0).numpy(),
        logits,
        labels=[int(speed.TARGET)],
        top_labels=None,
        hide_color=0,
        num_samples=N_SAMPLES,
        batch_size=LIME_BATCH,
        segmentation_fn=lambda _: labels[0],
    )


def by_captum(model: nn.Module, image: Tensor, labels: np.ndarray) -> None:
    method = Lime(model, SkLearnRidge(alpha=1.0), get_exp_kernel_similarity_function("cosine", kernel_width=0.25))
    mask = torch.from_numpy(labels)[:, None]
    with torch.no_grad():
        method.attribute(
            image, target=speed.TARGET, feature_mask=mask, n_samples=N_SAMPLES, perturbations_per_eval=LIME_BATCH
        )
