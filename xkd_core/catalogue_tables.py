"""The first table of explainers behind the catalogue, with the texts that pages show; more: `catalogue_more`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xkd_core.errors import BadInputError
from xkd_core.types import Param

Family = Literal["cam", "gradient", "perturbation", "propagation", "learned", "control"]
Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An explainer: ``attr`` "module:function", texts for people, parameters, what it costs.

    needs: what the function takes; "model" is a whole request, the rest are maps of (activation, ...).
    equal_on_gap: explainers with the same map but for a positive factor, by algebra, on global average pooling + one
    linear layer.
    forwards: (options, image size in px, channels of the last activation) -> forwards for one image.
    class_specific: False where the explained class does not enter. signed: negative values mean 'against'.
    grid: what the map is made of: cells of the last activation, windows, superpixels or single pixels.
    differentiates: it needs gradients down to the pixels, so networks without them (int8) are refused.
    model_free: no network enters, so a student's map is the teacher's; a control, not an explanation.
    """

    attr: str
    title: str
    summary: str
    formula: str
    source: str
    family: Family
    forwards: Callable[[Options, int, int], int]
    needs: Literal["activation", "weights", "gradient", "model"] = "model"
    params: tuple[Param, ...] = ()
    equal_on_gap: tuple[str, ...] = ()
    class_specific: bool = True
    signed: bool = True
    grid: Literal["cells", "windows", "superpixels", "pixels"] = "cells"
    differentiates: bool = False
    model_free: bool = False


def windows(size: int, options: Options) -> tuple[int, int, int]:
    """Occlusion's (window px, stride px, windows along one side); 0 means a quarter and an eighth of ``size``."""
    window = int(options.get("window") or 0) or max(1, size // 4)
    stride = int(options.get("stride") or 0) or max(1, size // 8)
    if window > size or stride > window:
        raise BadInputError(f"Occlusion needs stride <= window <= image; got {stride}, {window} and {size} px.")
    return window, stride, -(-(size - window) // stride) + 1


ON_GAP = ("cam", "grad_cam", "hires_cam", "xgrad_cam")


def _one(options: Options, size: int, channels: int) -> int:
    return 1


def _others(name: str) -> tuple[str, ...]:
    return tuple(other for other in ON_GAP if other != name)


FIRST_EXPLAINERS: Mapping[str, Entry] = {
    "cam": Entry(
        attr="xkd_core.explainers.maps:cam_map",
        title="CAM",
        summary="Each channel of the last layer, weighted by what it adds to the class. The whole map sums to the "
        "logit minus its bias.",
        formula=r"M^c = \sum_k \frac{w_{ck}}{N} A_k",
        source="Zhou et al. 2016, Eq. 2, with the 1/N of the pooling kept in the weights",
        family="cam",
        forwards=_one,
        needs="weights",
        equal_on_gap=_others("cam"),
    ),
    "grad_cam": Entry(
        attr="xkd_core.explainers.maps:grad_cam",
        title="Grad-CAM",
        summary="Channels weighted by the mean gradient of the class score.",
        formula=r"M^c = \sum_k \Big(\frac1N\sum_{ij}\frac{\partial z^c}{\partial A_{kij}}\Big) A_k",
        source="Selvaraju et al. 2017, Eq. 1-2, before the ReLU",
        family="cam",
        forwards=_one,
        needs="gradient",
        equal_on_gap=_others("grad_cam"),
    ),
    "grad_cam_pp": Entry(
        attr="xkd_core.explainers.maps:grad_cam_pp",
        title="Grad-CAM++",
        summary="Grad-CAM with weights from the positive gradients only, meant for several objects of a class.",
        formula=r"w_k = \sum_{ij}\frac{g^2}{2g^2 + S_k g^3 + \varepsilon}\,\mathrm{ReLU}(g),\quad S_k=\sum_{ij}A_{kij}",
        source="Chattopadhyay et al. 2018, epsilon 1e-6 as in pytorch-grad-cam, before the ReLU",
        family="cam",
        forwards=_one,
        needs="gradient",
    ),
    "hires_cam": Entry(
        attr="xkd_core.explainers.maps:hires_cam",
        title="HiResCAM",
        summary="Gradient times activation at each cell, without averaging the gradient first.",
        formula=r"M^c = \sum_k \frac{\partial z^c}{\partial A_k} \odot A_k",
        source="Draelos & Carin 2020, before the ReLU",
        family="cam",
        forwards=_one,
        needs="gradient",
        equal_on_gap=_others("hires_cam"),
    ),
    "xgrad_cam": Entry(
        attr="xkd_core.explainers.maps:xgrad_cam",
        title="XGrad-CAM",
        summary="Channels weighted by the gradient averaged over where the channel is active.",
        formula=r"w_k = \frac{\sum_{ij} g_{kij} A_{kij}}{\sum_{ij} A_{kij} + 10^{-7}}",
        source="Fu et al. 2020, before the ReLU",
        family="cam",
        forwards=_one,
        needs="gradient",
        equal_on_gap=_others("xgrad_cam"),
    ),
    "layer_cam": Entry(
        attr="xkd_core.explainers.maps:layer_cam",
        title="Layer-CAM",
        summary="Activations weighted cell by cell by their positive gradients: evidence for the class only.",
        formula=r"M^c = \sum_k \mathrm{ReLU}\Big(\frac{\partial z^c}{\partial A_k}\Big) \odot A_k",
        source="Jiang et al. 2021, before the outer ReLU",
        family="cam",
        forwards=_one,
        needs="gradient",
        equal_on_gap=("excitation_backprop",),
    ),
    "ewa": Entry(
        attr="xkd_core.explainers.maps:ewa",
        title="Equally weighted attribution",
        summary="Where the last layer is active at all, whatever the class. What EWA students are trained on.",
        formula=r"M = \sum_k A_k^{\circ 2}",
        source="paper 004, EWA; the same as attention transfer on one layer (Zagoruyko & Komodakis 2017)",
        family="cam",
        forwards=_one,
        needs="activation",
        class_specific=False,
        signed=False,
    ),
    "gradient_shap": Entry(
        attr="xkd_core.explainers.gradient:gradient_shap",
        title="GradientSHAP",
        summary="Gradients on the way from background images to this one, times the difference; a sampled "
        "approximation of Shapley values of pixels.",
        formula=r"\phi = \sum_{\mathrm{colours}} \mathbb{E}_{b,\alpha}\big[(x-b)\odot\nabla z^c(b+\alpha(x-b))\big]",
        source="Lundberg & Lee 2017; Erion et al. 2021 (expected gradients); equal to captum's GradientShap",
        family="gradient",
        grid="pixels",
        differentiates=True,
        forwards=lambda options, size, channels: 2 * int(options["n_samples"]),
        params=(Param(name="n_samples", default=50, low=5, high=500, help="pairs of a background image and a point"),),
    ),
    "integrated_gradients": Entry(
        attr="xkd_core.explainers.captum_gradients:integrated_gradients",
        title="Integrated gradients",
        summary="Gradients along the straight way from the mean colour to the image, times the difference.",
        formula=r"\phi = \sum_{\mathrm{colours}} x \odot \int_0^1 \nabla z^c(\alpha x)\,d\alpha",
        source="Sundararajan et al. 2017, through captum (Gauss-Legendre)",
        family="gradient",
        grid="pixels",
        differentiates=True,
        forwards=lambda options, size, channels: 2 * int(options["n_steps"]),
        params=(Param(name="n_steps", default=50, low=8, high=300, help="points on the way"),),
    ),
    "occlusion": Entry(
        attr="xkd_core.explainers.perturbation:occlusion",
        title="Occlusion",
        summary="How much the score falls when a window is covered with the mean colour, averaged over the windows "
        "that cover a pixel.",
        formula=r"M_{ij} = \frac{1}{|\{m \ni ij\}|}\sum_{m \ni ij} \big(z^c(x)-z^c(x_{\setminus m})\big)",
        source="Zeiler & Fergus 2014; equal to captum's Occlusion",
        family="perturbation",
        grid="windows",
        forwards=lambda options, size, channels: 1 + windows(size, options)[2] ** 2,
        params=(
            Param(name="window", default=0, low=0, high=256, help="side in px; 0 = a quarter of the image"),
            Param(name="stride", default=0, low=0, high=256, help="step in px; 0 = an eighth of the image"),
        ),
    ),
    "kernel_shap": Entry(
        attr="xkd_core.explainers.perturbation:kernel_shap",
        title="KernelSHAP on superpixels",
        summary="Shapley values of superpixels (19 are asked of SLIC, fewer may come), fitted to scores with some of "
        "them replaced by the mean colour; they add up to score minus score of the blank image.",
        formula=r"\min_\phi \sum_S \pi(S)\Big(z^c(x_S)-z^c(x_\emptyset)-\sum_{j\in S}\phi_j\Big)^2,\quad"
        r" \sum_j\phi_j = z^c(x)-z^c(x_\emptyset)",
        source="Lundberg & Lee 2017, Eq. 9; paired sampling of Covert & Lee 2021",
        family="perturbation",
        grid="superpixels",
        forwards=lambda options, size, channels: 2 + int(options["n_samples"]),
        params=(
            Param(name="n_samples", default=256, low=64, high=16384, help="images with some superpixels hidden"),
            Param(name="n_superpixels", default=19, low=2, high=60, help="asked of SLIC; the actual count differs"),
        ),
    ),
    "score_cam": Entry(
        attr="xkd_core.explainers.cam_library:score_cam",
        title="Score-CAM",
        summary="Channels weighted by the score of the image seen through each channel alone. Slow.",
        formula=r"w = \mathrm{softmax}_k\, z^c(x \odot \hat A_k^{\uparrow})",
        source="Wang et al. 2020, through pytorch-grad-cam, before its ReLU and min-max",
        family="cam",
        forwards=lambda options, size, channels: 1 + channels,
        signed=False,
    ),
    "ablation_cam": Entry(
        attr="xkd_core.explainers.cam_library:ablation_cam",
        title="Ablation-CAM",
        summary="Channels weighted by the relative fall of the score when the channel is removed.",
        formula=r"w_k = \frac{z^c - z^c_{\setminus k}}{z^c}",
        source="Desai & Ramaswamy 2020, through pytorch-grad-cam, before its ReLU and min-max",
        family="cam",
        forwards=lambda options, size, channels: 2,
    ),
    "eigen_cam": Entry(
        attr="xkd_core.explainers.cam_library:eigen_cam",
        title="Eigen-CAM",
        summary="The first principal component of the activations; no class and no score enter it, and its sign is "
        "arbitrary.",
        formula=r"M = (A-\bar A)\,v_1",
        source="Muhammad & Yeasin 2020, through pytorch-grad-cam, before its ReLU and min-max",
        family="cam",
        forwards=_one,
        class_specific=False,
    ),
}
