"""The second table of explainers: more perturbations and gradients, rules of propagation, augmented CAMs, controls."""

from __future__ import annotations

from collections.abc import Mapping

from xkd_core.catalogue_tables import Entry, Options
from xkd_core.types import Param

_SUPERPIXELS = Param(name="n_superpixels", default=19, low=2, high=60, help="asked of SLIC; the actual count differs")


def _none(options: Options, size: int, channels: int) -> int:
    return 0


def _there_and_back(options: Options, size: int, channels: int) -> int:
    return 2


def _smoothed(title: str, of: str, *, equal: tuple[str, ...] = ()) -> Entry:
    """A class activation map over six changed images."""
    return Entry(
        attr="xkd_core.explainers.aug_smooth:aug_smooth",
        title=f"{title}, augmented",
        summary=f"Mean {title} map of the image and its mirror image, each times 0.9, 1 and 1.1. Every one of the six "
        "goes through ReLU, min-max and enlarging first, so nothing of their scale is left.",
        formula=r"\frac16\sum_{\mathrm{flip}}\sum_{a\in\{.9,1,1.1\}}\mathrm{flip}^{-1}\,\widehat{M}\big(a\,\mathrm{flip}(x)\big)",
        source=f"aug_smooth of pytorch-grad-cam, as paper 000 used it; {of}",
        family="cam",
        grid="pixels",
        forwards=lambda options, size, channels: 6,
        equal_on_gap=equal,
        signed=False,
    )


MORE_EXPLAINERS: Mapping[str, Entry] = {
    "lime": Entry(
        attr="xkd_core.explainers.lime:lime",
        title="LIME on superpixels",
        summary="Coefficients of superpixels in a linear model of the score, fitted near the image: to images with "
        "some of them replaced by the mean colour. The same superpixels as KernelSHAP's; a penalty shrinks the values.",
        formula=r"\min_{b_0,b}\sum_i \pi(z_i)\big(z^c(x_{z_i})-b_0-b^\top z_i\big)^2+\lVert b\rVert^2,\quad"
        r" \pi(z)=e^{-(1-\sqrt{|z|/n})^2/(2\cdot .25^2)}",
        source="Ribeiro et al. 2016; kernel, samples and ridge of the lime package, hidden superpixels the mean colour",
        family="perturbation",
        grid="superpixels",
        forwards=lambda options, size, channels: int(options["n_samples"]),
        params=(
            Param(name="n_samples", default=500, low=64, high=16384, help="images with some superpixels hidden"),
            _SUPERPIXELS,
        ),
    ),
    "rise": Entry(
        attr="xkd_core.explainers.rise:rise",
        title="RISE",
        summary="How probable the class is on average while a pixel shows through smooth random masks. What matters "
        "nowhere gets the class's mean probability, not 0.",
        formula=r"S = \frac{1}{N p}\sum_{i=1}^{N} p_c(x\odot m_i)\, m_i",
        source="Petsiuk et al. 2018, Eq. 6; masks and division by Np as in the authors' code",
        family="perturbation",
        grid="pixels",
        forwards=lambda options, size, channels: int(options["n_masks"]),
        params=(
            Param(name="n_masks", default=1000, low=50, high=16000, help="random masks"),
            Param(
                name="n_cells", default=0, low=0, high=32, help="of a mask's grid, one side; 0 = 4 or, over 32 px, 7"
            ),
            Param(name="p_shown", default=0.5, low=0.05, high=0.95, help="share of the cells that show the image"),
        ),
        signed=False,
    ),
    "saliency": Entry(
        attr="xkd_core.explainers.captum_gradients:saliency",
        title="Saliency",
        summary="How strongly the score reacts to a small change of each pixel, in its strongest colour. Where an "
        "image is flat, max pooling chooses among equal values by their rounding, so the map there differs between "
        "machines; SmoothGrad's noise leaves no equal values.",
        formula=r"M = \max_{\mathrm{colours}} \lvert\nabla z^c(x)\rvert",
        source="Simonyan et al. 2014, through captum",
        family="gradient",
        grid="pixels",
        differentiates=True,
        forwards=_there_and_back,
        signed=False,
    ),
    "input_x_gradient": Entry(
        attr="xkd_core.explainers.captum_gradients:input_x_gradient",
        title="Input x gradient",
        summary="Each pixel's distance from the mean colour times the gradient of the score.",
        formula=r"\phi = \sum_{\mathrm{colours}} x \odot \nabla z^c(x)",
        source="Shrikumar et al. 2017, through captum",
        family="gradient",
        grid="pixels",
        differentiates=True,
        forwards=_there_and_back,
    ),
    "smooth_grad": Entry(
        attr="xkd_core.explainers.captum_gradients:smooth_grad",
        title="SmoothGrad",
        summary="Saliency of the mean gradient over noisy forms of the image.",
        formula=r"M = \max_{\mathrm{colours}} \Big\lvert\frac1n\sum_{i=1}^{n}"
        r"\nabla z^c(x+\sigma\varepsilon_i)\Big\rvert,\quad \sigma = s\,(\max x-\min x)",
        source="Smilkov et al. 2017; gradients by captum",
        family="gradient",
        grid="pixels",
        differentiates=True,
        forwards=lambda options, size, channels: 2 * int(options["n_samples"]),
        params=(
            Param(name="n_samples", default=50, low=5, high=500, help="noisy images"),
            Param(name="noise", default=0.15, low=0.01, high=1.0, help="of the image's range of values"),
        ),
        signed=False,
    ),
    "lrp": Entry(
        attr="xkd_core.explainers.propagation:lrp",
        title="LRP",
        summary="Hands the score back layer by layer, each unit's share to the inputs that fed it: what excited it in "
        "convolutions, evenly in the first one.",
        formula=r"R_i = \sum_j \frac{x_i w_{ij}^+}{\sum_{i'} x_{i'} w_{i'j}^+ + b_j^+} R_j",
        source="Bach et al. 2015; zennit's composite epsilon-plus-flat (Kohlbrenner et al. 2020), batch norm folded",
        family="propagation",
        grid="pixels",
        differentiates=True,
        forwards=_there_and_back,
    ),
    "excitation_backprop": Entry(
        attr="xkd_core.explainers.propagation:excitation_backprop",
        title="Excitation backprop",
        summary="How probable it is that the class's signal came from a cell of the last layer, walking back from the "
        "class along positive weights. Adds up to 1; behind pooling and one linear layer it is CAM with w > 0 only.",
        formula=r"P(i) = \sum_j \frac{x_i w_{ij}^+}{\sum_{i'} x_{i'} w_{i'j}^+} P(j)",
        source="Zhang et al. 2016, by zennit without biases, read where paper 004 reads it",
        family="cam",
        grid="cells",
        forwards=_there_and_back,
        params=(Param(name="layer", default="seam", choices=("seam", "input"), help="where the walk ends"),),
        signed=False,
        equal_on_gap=("layer_cam",),
    ),
    "rap": Entry(
        attr="xkd_core.explainers.rap:rap",
        title="RAP",
        summary="Hands the score back along helping and hurting weights alike, then takes the surplus evenly from all "
        "active units: what mattered less than the rest becomes negative. Adds up to the score.",
        formula=r"R_i = x_i\sum_j\Big(\frac{w_{ij}^+}{P_j}+\frac{\lvert w_{ij}^-\rvert}{P_j+N_j}\Big)R_j - \psi,"
        r"\quad R_j > 0",
        source="Nam et al. 2020, formulas of the authors' code, batch norm folded",
        family="propagation",
        grid="pixels",
        differentiates=True,
        forwards=_there_and_back,
    ),
    "grad_cam_aug_smooth": _smoothed(
        "Grad-CAM", "Selvaraju et al. 2017", equal=("hires_cam_aug_smooth", "xgrad_cam_aug_smooth")
    ),
    "grad_cam_pp_aug_smooth": _smoothed("Grad-CAM++", "Chattopadhyay et al. 2018"),
    "hires_cam_aug_smooth": _smoothed(
        "HiResCAM", "Draelos & Carin 2020", equal=("grad_cam_aug_smooth", "xgrad_cam_aug_smooth")
    ),
    "xgrad_cam_aug_smooth": _smoothed(
        "XGrad-CAM", "Fu et al. 2020", equal=("grad_cam_aug_smooth", "hires_cam_aug_smooth")
    ),
    "surrogate": Entry(
        attr="xkd_core.explainers.amortised:surrogate",
        title="Learned map (attentive surrogate)",
        summary="Drawn in the forward pass by an explanation network that was trained with the model: how much of each "
        "pixel may not be hidden if the prediction is to stay. Only for models trained so.",
        formula=r"H = E(\Delta f),\quad"
        r" \min_E \mathrm{KL}\big(p_T(x)\,\|\,p_T(x\odot H)\big) + \lambda\lVert H\rVert_1",
        source="Lee & Kim 2021, Eqs. 8 and 9; (9) as printed lacks H, which is put in here",
        family="learned",
        grid="pixels",
        forwards=lambda options, size, channels: 1,
        class_specific=False,
        signed=False,
    ),
    "random_map": Entry(
        attr="xkd_core.explainers.controls:random_map",
        title="Random map",
        summary="Control: a random number for each pixel, the same for every network.",
        formula=r"M_{ij} \sim U(0, 1)",
        source="chance level; seeded by the image",
        family="control",
        grid="pixels",
        forwards=_none,
        class_specific=False,
        signed=False,
        model_free=True,
    ),
    "centre_gaussian": Entry(
        attr="xkd_core.explainers.controls:centre_gaussian",
        title="Centre Gaussian",
        summary="Control: a bump in the middle, where photographers put objects. Looks at neither image nor network.",
        formula=r"M_{ij} = \exp\!\Big(-\frac{u_i^2+v_j^2}{2\sigma^2}\Big),\quad u,v\in[-\tfrac12,\tfrac12]",
        source="centre bias, the usual baseline of saliency benchmarks (Judd et al. 2012)",
        family="control",
        grid="pixels",
        forwards=_none,
        params=(Param(name="sigma", default=0.25, low=0.05, high=1.0, help="as a share of the side"),),
        class_specific=False,
        signed=False,
        model_free=True,
    ),
    "edge_detector": Entry(
        attr="xkd_core.explainers.controls:edge_detector",
        title="Edge detector",
        summary="Control: edges of the image, which many pixel-level maps resemble without explaining anything.",
        formula=r"M = \sqrt{\tfrac12\big(S_x^2+S_y^2\big)}",
        source="Adebayo et al. 2018; Sobel by scikit-image, of the mean colour",
        family="control",
        grid="pixels",
        forwards=_none,
        class_specific=False,
        signed=False,
        model_free=True,
    ),
}
