"""The product's words, one meaning each, for the glossary."""

from __future__ import annotations

import re

WORDS = {
    "Teacher": "The large network that students learn from. A second, equally trained teacher shows how much maps "
    "differ without any compression: the noise floor.",
    "Naive student": "A smaller network trained with knowledge distillation only: labels and the teacher's answers.",
    "Matched student": "A naive student whose attribution map was also pulled towards the teacher's while training.",
    "Baseline student": "A student trained on labels only (λ = 0).",
    "SWA": "Matched by class activation maps: β times 1 - cosine between the student's map of the class and the "
    "teacher's. SSWA leaves out some of the teacher's channels at random.",
    "EWA": "As SWA, but every channel counts the same, whatever the class.",
    "AT, NST, AB": "Older ways to hand over what is inside a network, here for comparison: attention transfer (where "
    "several layers are active), neuron selectivity transfer (how activations are distributed), activation boundaries "
    "(which neurons fire, learned first).",
    "XDistillation": "A student that also sees an approximated explanation of its teacher, drawn by an autoencoder "
    "that was trained to draw them and is then frozen.",
    "Noise floor": "How far two equally good trainings lie apart without any compression: a second teacher's maps, or "
    "another seed of the same student. A smaller difference tells nothing.",
    "Seed": "The number that decides every random choice of a training. Runs that differ in it alone show what chance "
    "does.",
    "95 % interval": "Where the mean lies if the test images, and with several seeds the trainings too, are taken as a "
    "sample. Of one seed it knows of images only.",
    "Holm": "Many tests find something by chance. Holm's correction raises every p so that a false alarm among all of "
    "them has a chance below 5 %.",
    "d_z": "How large a difference is: its mean over the images, divided by its standard deviation.",
    "Not trained to the end": "The validation curve still moved by more than .01 over the last three epochs, or is too "
    "short to tell. A round of pruning goes on from the one before: its curve is that of all rounds so far. A flat "
    "one says nothing about a longer training: the learning rate falls to 0, where every curve comes to rest.",
    "Run": "One trained network with its card: how it was made, what it measured, the sha256 of its weights.",
    "Map": "Raw, signed attribution in float32 at its native resolution.",
    "Heatmap": "A map as it is drawn: scaled, coloured, laid over the photo.",
    "Drift": "1 - similarity to the teacher's map of the same image and class.",
    "Moved": "A map whose cosine to the teacher's lies below the middle between two means: that of a second, equally "
    "trained teacher, and that of maps of other images. No map is compared with an unrelated one for it.",
    "λ": "Weight of the distillation term, 0 = labels only, 1 = the teacher's answers only. The term is scaled by T².",
    "β": "Weight of attribution matching: β(1 - cos) is added to the loss.",
    "Width and ratio": "Width is the share of the teacher's channels (1/2, 1/4, 1/8). Ratio is teacher parameters "
    "over student parameters; 1/8 of the width is about 62 times smaller. Where weights were pruned it counts "
    "non-zero weights, where they were rounded it counts bits; the words beside it say which.",
    "Answer": "Single-label: the top class. Multi-label: yes or no (logit > 0) on the explained class.",
    "Same answer, right": "Same: teacher's and student's answers agree. Right: the answer equals the label.",
    "Agreement": "The share of images on which a student gives the same answer as its teacher, right or wrong.",
    "Accuracy": "The share of test images with the right top class (data sets with one label for each image).",
    "mAP": "Mean average precision: for each class, how well its score ranks the images that show it before the "
    "others; then the mean over the classes (data sets with several labels for each image).",
    "Undefined": "A number that does not exist, as the cosine of a map without any evidence. It is never taken for 0 "
    "and never averaged: it is left out and counted.",
    "In the loss": "The student was trained on this explainer's map. Similarity there is no surprise; look at the "
    "explainers that were not in the loss.",
    "Explained class": "The class a map is evidence for, printed on each panel with how it was chosen: the teacher's "
    "top-1 unless chosen otherwise. With each model's own top-1, maps of different classes are not compared.",
    "Other class": "This map explains another class than the teacher's map, so neither a cosine nor moved is given.",
    "Shuffled control": "The cosine to the teacher's map of another image: what a map gets that knows nothing.",
    "Outside the training data": "The networks were never trained on images of this kind; read maps with care.",
}

COLOURS = (
    "**Each panel** is the default: full colour is the panel's own maximum, printed on it. Shapes can be compared, "
    "strengths cannot, as in the cosine. The other scales share a maximum over an explainer or the grid, so strengths "
    "can be compared too; raw magnitudes of networks of different width have no common unit, so read them with care. "
    "Only with a scale that is shared over models can the teacher's panel change when a student does.",
    "**Inferno, viridis, cividis** rise evenly in brightness and are safe for colour-blind readers. Signed maps and "
    "differences use purple for less and orange for more, white for zero.",
    "**Maps of single pixels** (GradientSHAP, integrated gradients) reach full colour at the 99th percentile of their "
    "absolute values: a few extreme pixels would leave the rest dark. The number printed on such a panel is that one.",
    "**Masked** pictures show evidence as light, whatever its sign.",
    "**Empty** panels say so: a map without positive evidence is not the same as a map that was not computed (grey "
    "stripes).",
)

PAPERS = {
    "000": "Wilfling, Valdenegro-Toro & Zullich, Evaluating the Quality of Saliency Maps for Distilled CNNs",
    "001": "Anonymous, Effect of CNN Compression on Gradient-based Explainability (under review)",
    "002": "Lee & Kim 2021, Explaining Neural Networks Using Attentive Knowledge Distillation",
    "003": "Alharbi, Vu & Thai 2021, Learning Interpretation with Explainable Knowledge Distillation",
    "004": "Park, Yang, Hwang & Yang 2020, Attribution Preservation in Network Compression",
}
_SHORT = {
    "000": "Wilfling et al.",
    "001": "Anonymous (CNN compression)",
    "002": "Lee & Kim 2021",
    "003": "Alharbi et al. 2021",
    "004": "Park et al. 2020",
}

SIGN_NOTES = {
    "eigen_cam": "the sign is arbitrary",
    "ablation_cam": "signs turn round where the score is negative",
}
"""Explainers whose sign does not mean 'for' and 'against' everywhere."""


def cited(source: str) -> str:
    """A source as people cite it: 'papers 000 and 004' -> 'Wilfling et al. and Park et al. 2020'."""
    words = re.sub(r"\bpapers? (?=00\d)", "", source)
    return re.sub(r"\b(00[0-4])\b", lambda found: _SHORT[found[1]], words)
