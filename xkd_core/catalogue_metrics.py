"""The table of metrics of maps and answers, behind the catalogue; `catalogue_faithfulness` has the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricFamily = Literal["faithfulness", "localisation", "complexity", "similarity", "randomisation", "prediction"]


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
        formula=r"\mathrm{mean}_w\frac{(2\mu_T\mu_S+c_1)(2\sigma_{TS}+c_2)}{(\mu_T^2+\mu_S^2+c_1)(\sigma_T^2+\sigma_S^2+c_2)}",
        source="Wang et al. 2004; scikit-image, data_range 1 (2 for signed maps)",
        higher_is_better=True,
        low=-1.0,
        high=1.0,
        chance="about 0 for independent noise, more for smooth maps",
        undefined="a map is zero everywhere, or smaller than 7x7",
    ),
    "topk_overlap": MetricInfo(
        attr="xkd_core.metrics.similarity:topk_overlap",
        family="similarity",
        title="Overlap of the strongest cells",
        summary="Of the strongest tenth of the cells of both maps, the share that is common (intersection over union).",
        formula=r"\frac{|\mathrm{top}_k M_T \cap \mathrm{top}_k M_S|}{|\mathrm{top}_k M_T \cup \mathrm{top}_k M_S|}",
        source="own choice: k = a tenth of the cells",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="about k / (2N - k), 0.05 for a tenth",
        undefined="a map is constant",
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
        compat=(("park", "the first maximum in raster order"), ("quantus", "any of the equal maxima")),
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
        summary="How likely is a pixel of the object to rank above one beside it?",
        formula=r"P(M_{\mathrm{in}} > M_{\mathrm{out}}) + \tfrac12 P(M_{\mathrm{in}} = M_{\mathrm{out}})",
        source="paper 004; scikit-learn's roc_auc_score",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="0.5",
        undefined="the mask is empty or covers the whole image; a constant map has 0.5",
    ),
    "same_answer": MetricInfo(
        attr="xkd_core.metrics.prediction:same_answer",
        family="prediction",
        title="Same answer as the teacher",
        summary="Single-label: equal top-1. Multi-label: equal decision (logit > 0) on the explained class.",
        formula=r"\mathbb{1}[a_T = a_S]",
        source="product definition",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="the share of the most frequent answer",
        undefined="never",
    ),
    "right": MetricInfo(
        attr="xkd_core.metrics.prediction:right",
        family="prediction",
        title="Right answer",
        summary="Does the answer equal the label (multi-label: on the explained class)?",
        formula=r"\mathbb{1}[a_S = y]",
        source="product definition",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="the share of the most frequent label",
        undefined="never",
    ),
    "mAP": MetricInfo(
        attr="xkd_core.metrics.prediction:average_precision",
        family="prediction",
        title="Mean average precision",
        summary="Average precision of each class over the images, then the mean over the classes.",
        formula=r"\frac1C\sum_c\sum_n (R_n - R_{n-1})P_n",
        source="scikit-learn's average_precision_score, by class (paper 004's code averages over images)",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        chance="the share of images that show the class",
        undefined="no image shows the class",
    ),
}
