"""``scenes`` as a data set: the embedded default, drawn on demand and never stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xkd_core.errors import unknown_name
from xkd_core.images import scenes
from xkd_core.types import Bool, DatasetInfo, Int, Sample, Transform, UInt8

INFO = DatasetInfo(
    name="scenes",
    title="Scenes (made by this program)",
    classes=scenes.CLASSES,
    multi_label=True,
    # python -m xkd_core.images.statistics scenes teacher
    transform=Transform(size=scenes.NATIVE_SIZE, mean=(0.4697, 0.4787, 0.4012), std=(0.2147, 0.1989, 0.2346)),
    splits=scenes.SPLITS,
    masks="class",
    note=(
        "Drawn scenes with 1 to 3 objects of 8 classes and exact masks. The shortcut is planted: every class has a "
        "habitat ground, which fits in 90 % of the images that students are trained on and in half of the test images."
    ),
)


class Scenes:
    """One split of the scenes; any image can be had alone."""

    info = INFO

    def __init__(self, split: str) -> None:
        if split not in scenes.SPLITS:
            raise unknown_name("split of scenes", split, scenes.SPLITS)
        self.split = split

    def __len__(self) -> int:
        return scenes.SPLITS[self.split]

    def __getitem__(self, index: int) -> Sample:
        return scenes.render(self.split, index)

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 64, 64, 3) uint8."""
        return scenes.batch(self.split, np.asarray(indices, dtype=np.int64).tolist())

    def labels(self) -> UInt8:
        """(len, 8) uint8, multi-hot."""
        return scenes.labels(self.split)

    def fact_columns(self) -> dict[str, Int | Bool]:
        """habitat (len,) class index and in_habitat (len,) bool for the whole split, without drawing."""
        habitat = scenes.habitats(self.split)
        return {"habitat": habitat, "in_habitat": self.labels()[np.arange(len(self)), habitat].astype(bool)}
