"""The table of metrics of maps, behind the catalogue; those of networks and their answers: `catalogue_networks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricFamily = Literal[
    "faithfulness", "localisation", "complexity", "similarity", "randomisation", "prediction", "retraining"
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """A metric: ``attr`` "module:function", its direction, range, chance level and when it is undefined.

    compat: (name, what it does) of the options that repeat a paper's or a library's quirk. The values of such
    an option are stored and shown under the label "metric@name", never under the metric's own name.
    """

    attr: str
    family: MetricFamily
    title: str
    summary: str
    formula: str
    source: str
    higher_is_better: bool
    low: float
    high: float
    chance: str
    undefined: str
    compat: tuple[tuple[str, str], ...] = ()


METRICS_OF_MAPS: Mapping[str, MetricInfo] = {
    "cosine": MetricInfo(
        attr="xkd_core.metrics.similarity:cosine",
        family="similarity",
        title="Cosine to the teacher's map",
        summary="1 when both maps have the same shape, whatever their scale. CAMs are compared after ReLU.",
        formula=r"\frac{\langle M_T, M_S\rangle}{\lVert M_T\rVert\,\lVert M_S\rVert}",
        source="paper 004, App. C.3",
        higher_is_better=True,
        low=-1.0,
        high=1.0,
        chance="not 0: maps of different images share much; read it beside the shuffled-image control",
        undefined="a map is zero everywhere",
        compat=(("park", "a zero map has cosine 0"),),
    ),
    "distance": MetricInfo(
        attr="xkd_core.metrics.similarity:distance",
        family="similarity",
        title="Distance to the teacher's map",
        summary="Mean squared difference of the maps at unit length, in units of 1e-4. It falls with the number of "
        "cells N, so compare equal grids only.",
        formula=r"10^4\,\frac{2-2\cos}{N}",
        source="paper 004, App. C.3 (N = 196 there), reconstructed",
        higher_is_better=False,
        low=0.0,
        high=40000.0,
        chance="read it beside the shuffled-image control",
        undefined="a map is zero everywhere",
        compat=(("park", "the unit map of a zero map is zero"),),
    ),
    "pearson": MetricInfo(
        attr="xkd_core.metrics.similarity:pearson",
        family="similarity",
        title="Pearson correlation",
        summary="Cosine of the maps after taking away their means: linear agreement.",
        formula=r"\frac{\mathrm{cov}(M_T, M_S)}{\sigma_T\,\sigma_S}",
        source="Pearson 1895; scipy.stats.pearsonr",
        higher_is_better=True,
        low=-1.0,
        high=1.0,
        chance="0 for independent maps; maps that favour the centre are above it",
        undefined="a map is constant",
    ),
    "spearman": MetricInfo(
        attr="xkd_core.metrics.similarity:spearman",
        family="similarity",
        title="Spearman rank correlation",
        summary="Do both maps put the cells in the same order? Ties get their mean rank.",
        formula=r"\mathrm{Pearson}(\mathrm{rank}\,M_T, \mathrm{rank}\,M_S)",
        source="Spearman 1904; scipy.stats.spearmanr",
        higher_is_better=True,
        low=-1.0,
        high=1.0,
        chance="0 for independent maps",
        undefined="a map is constant",
    ),
    "ssim": MetricInfo(
        attr="xkd_core.metrics.similarity:ssim",
        family="similarity",
        title="Structural similarity",
        summary="Agreement of local mean, contrast and structure in 7x7 windows, each map over its largest value.",
        formula=r""
        r"\mathrm{mean}_w\frac{(2\mu_T\mu_S+c_1)(2\sigma_{TS}+c_2)}{(\mu_T^2+\mu_S^2+c_1)(\sigma_T^2+\sigma_S^2+c_2)}",
        source="Wang et al. 2004; scikit-image, data_range 1 (2 for signed maps)",
        higher_is_better=True,
        low=-1.0,
        high=1.0,
        chance="about 0 for independent noise, more for smooth maps",
        undefined="a map is zero everywhere, or smaller than 7x7",
        compat=(("xml", "maps as they are, the range of the second one as data_range"),),
    ),
    "topk_overlap": MetricInfo(
        attr="xkd_core.metrics.similarity:topk_overlap",
        family="similarity",
        title="Overlap of the strongest cells",
        summary="Of the strongest tenth of the cells of both maps, the share that is common (intersection over union).",
        formula=r"\frac{|\mathrm{top}_k M_T \cap \mathrm{top}_k M_S|}{|\mathrm{top}_k M_T \cup \mathrm{top}_k M_S|}",
        source="own choice: k = a tenth of the cells; cells that equal the last of them all count",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="about k / (2N - k), 0.05 for a tenth",
        undefined="a map is constant",
    ),
    "js_divergence": MetricInfo(
        attr="xkd_core.metrics.similarity:js_divergence",
        family="similarity",
        title="Jensen-Shannon divergence",
        summary="How differently two maps spread their positive attribution over the image, in bits: 0 equal, 1 "
        "nothing in common.",
        formula=r"\tfrac12 KL(P\,\Vert\,\tfrac{P+Q}2)+\tfrac12 KL(Q\,\Vert\,\tfrac{P+Q}2),\quad P=\frac{M_T^+}{\sum "
        r"M_T^+}",
        source="Lin 1991; the square of scipy.spatial.distance.jensenshannon with base 2",
        higher_is_better=False,
        low=0.0,
        high=1.0,
        chance="read it beside the shuffled-image control",
        undefined="a map has no positive value",
    ),
    "superpixel_mse": MetricInfo(
        attr="xkd_core.metrics.superpixel_agreement:superpixel_mse",
        family="similarity",
        title="Superpixel MSE",
        summary="Mean squared difference of two maps after summing each in superpixels, each over its largest value. "
        "Values of different explainers cannot be compared.",
        formula=r"\frac1{HW}\sum_{ij}(E_S-E_T)^2,\quad E=\frac{\sum_{s\ni ij}M}{\max|\sum_s M|}",
        source="paper 003, Table IV; its scale is not given there, the division is ours",
        higher_is_better=False,
        low=0.0,
        high=4.0,
        chance="read it beside the shuffled-image control",
        undefined="a map is zero on every superpixel",
        compat=(("raw", "maps are not divided by their largest value"),),
    ),
    "superpixel_overlap": MetricInfo(
        attr="xkd_core.metrics.superpixel_agreement:superpixel_overlap",
        family="similarity",
        title="Overlap of the top superpixels",
        summary="Of the k superpixels that matter most to each network (k = 2), the share that both name.",
        formula=r"\frac{|\mathrm{top}_k|\phi_T|\cap\mathrm{top}_k|\phi_S||}{k}",
        source="paper 003, Table V and Fig. 11 (k = 2)",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="k over the number of superpixels, about 0.1",
        undefined="all values of an image are 0, or it has fewer than k superpixels",
    ),
    "sign_agreement": MetricInfo(
        attr="xkd_core.metrics.superpixel_agreement:sign_agreement",
        family="similarity",
        title="Sign agreement",
        summary="Of the superpixels in both networks' top k, the share that counts for the class in both or against "
        "it in both. For signed maps, on images that both answer right.",
        formula=r"\frac1{|J|}\sum_{s\in J}\mathbb{1}[\mathrm{sign}\,\phi_S=\mathrm{sign}\,\phi_T]",
        source="paper 003, h(x) and Table V",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="about 0.5 for balanced signs; nearly 1 for maps that are never negative",
        undefined="no superpixel is in both top sets, or a network's values are all 0",
        compat=(("teacher", "superpixels in the teacher's top k"), ("either", "superpixels in one of the top sets")),
    ),
    "pointing": MetricInfo(
        attr="xkd_core.metrics.localisation:pointing",
        family="localisation",
        title="Pointing game",
        summary="Does the strongest point of the map lie on the object? No tolerance around it.",
        formula=r"\mathbb{1}[\arg\max M^{\uparrow} \in \mathrm{mask}]",
        source="Zhang et al. 2018; papers 000 and 004",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="the share of the image that the object covers",
        undefined="the mask is empty, or the map is constant",
        compat=(
            ("park", "the first maximum in raster order"),
            ("quantus", "any of the equal maxima"),
            ("torchray", "the first maximum; a hit within 15 of 224 px of the object too"),
        ),
    ),
    "attribution_localisation": MetricInfo(
        attr="xkd_core.metrics.localisation:attribution_localisation",
        family="localisation",
        title="Attribution localisation",
        summary="The share of the positive attribution that lies on the object.",
        formula=r"\frac{\sum_{\mathrm{mask}} M^+}{\sum M^+}",
        source="Kohlbrenner et al. 2020; paper 000",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="the share of the image that the object covers",
        undefined="the mask is empty, or the map has no positive value",
        compat=(("quantus", "absolute attribution"),),
    ),
    "roc_auc": MetricInfo(
        attr="xkd_core.metrics.localisation:roc_auc",
        family="localisation",
        title="ROC-AUC against the mask",
        summary="How likely is a pixel of the object to rank above one beside it? Of the explained class and its own "
        "mask; the image's other labels are not scored.",
        formula=r"P(M_{\mathrm{in}} > M_{\mathrm{out}}) + \tfrac12 P(M_{\mathrm{in}} = M_{\mathrm{out}})",
        source="paper 004; scikit-learn's roc_auc_score",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="0.5",
        undefined="the mask is empty or covers the whole image; a constant map has 0.5",
    ),
    "iou": MetricInfo(
        attr="xkd_core.metrics.localisation:iou",
        family="localisation",
        title="IoU at half of the maximum",
        summary="Overlap of the object with the pixels that have at least half of the map's maximum.",
        formula=r"\frac{|\{M^{\uparrow}\ge t\max M^{\uparrow}\}\cap\mathrm{mask}|}{|\{M^{\uparrow}\ge t\max "
        r"M^{\uparrow}\}\cup\mathrm{mask}|},\quad t=0.5",
        source="weakly supervised localisation, Zhou et al. 2016 (t = 0.2 and boxes there)",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="read it beside the random and the centre map",
        undefined="the mask is empty, or the map has no positive value",
    ),
    "energy_in_box": MetricInfo(
        attr="xkd_core.metrics.localisation:energy_in_box",
        family="localisation",
        title="Energy in the box",
        summary="The share of the positive attribution inside the tight box around the object.",
        formula=r"\frac{\sum_{\mathrm{box}} M^+}{\sum M^+}",
        source="energy-based pointing game, Wang et al. 2020 (Score-CAM)",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="the share of the image that the box covers",
        undefined="the mask is empty, or the map has no positive value",
    ),
    "grid_pointing": MetricInfo(
        attr="xkd_core.metrics.mosaics:grid_pointing",
        family="localisation",
        title="Grid pointing",
        summary="Four images of four classes in a 2x2 mosaic, explained for one of them: the share of the positive "
        "attribution in its quadrant.",
        formula=r"\frac{\sum_{\mathrm{quadrant}} M^+}{\sum M^+}",
        source="Böhle et al. 2021; Rao et al. 2022 (GridPG)",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="0.25",
        undefined="the map has no positive value",
    ),
    "broken": MetricInfo(
        attr="xkd_core.metrics.localisation:broken",
        family="localisation",
        title="Broken sample",
        summary="The answer is right and yet the strongest point of the map is off the object. The sum is the count "
        "of broken samples.",
        formula=r"\mathbb{1}[\arg\max M^{\uparrow}\notin\mathrm{mask}\mid a_S=y]",
        source="paper 004, Table 1",
        higher_is_better=False,
        low=0.0,
        high=1.0,
        chance="the share of the image that the object does not cover",
        undefined="the answer is wrong, the mask is empty, or the map is constant",
    ),
    "mean_l1": MetricInfo(
        attr="xkd_core.metrics.complexity:mean_l1",
        family="complexity",
        title="Complexity (mean L1)",
        summary="How much of the image the map claims: its mean absolute value over its largest. An empty map would "
        "be the simplest, so never read it alone.",
        formula=r"\frac{1}{N}\sum\frac{|M|}{\max|M|}",
        source="Poppi et al. 2021 (ADCC); paper 001 took a norm that grows with the grid instead",
        higher_is_better=False,
        low=0.0,
        high=1.0,
        chance="0.5 for uniform noise",
        undefined="the map is zero everywhere",
        compat=(("xml", "largest column sum of the map after min-max, without ReLU"),),
    ),
    "entropy": MetricInfo(
        attr="xkd_core.metrics.complexity:entropy",
        family="complexity",
        title="Entropy",
        summary="How evenly the absolute attribution is spread: 0 for one cell, 1 for a constant map.",
        formula=r"-\frac{1}{\log N}\sum p\log p,\quad p=\frac{|M|}{\sum|M|}",
        source="Bhatt et al. 2020, over log N; Quantus' Complexity without it",
        higher_is_better=False,
        low=0.0,
        high=1.0,
        chance="0.95 for uniform noise on 64 cells, 0.98 on 4,096: 1 - 0.193 / log N",
        undefined="the map is zero everywhere",
        compat=(("quantus", "in nats, not divided by log N"),),
    ),
    "gini": MetricInfo(
        attr="xkd_core.metrics.complexity:gini",
        family="complexity",
        title="Sparseness (Gini index)",
        summary="How unequally the absolute attribution is spread: 0 for a constant map, nearly 1 for one cell.",
        formula=r"\frac{\sum_i (2i-N-1)\,|M|_{(i)}}{N\sum|M|}",
        source="Chalasani et al. 2020; Quantus' Sparseness",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="0.33 for uniform noise",
        undefined="the map is zero everywhere",
        compat=(("quantus", "1e-7 is added to every cell"),),
    ),
}

RETRAINED: Mapping[str, MetricInfo] = {
    "roar": MetricInfo(
        attr="xkd_core.evaluation.roar:removed",
        family="retraining",
        title="Remove and retrain (ROAR)",
        summary="Quality of a network that was trained and tested without the pixels that a map ranks first, which get "
        "the mean colour. The shape of the hole itself may give the class away.",
        formula=r"Q\bigl(f_{\text{retrained on } x\setminus\mathrm{top}_t(M)}\bigr)",
        source="Hooker et al. 2019; paper 004, App. E",
        higher_is_better=False,
        low=0.0,
        high=1.0,
        chance="the same with as many random pixels, always stored beside",
        undefined="never",
    ),
}
"""What is measured by training anew: `python -m xkd_core roar`, not `evaluate`."""
