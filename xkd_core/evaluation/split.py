"""A split as the evaluation needs it: pixels, labels, masks of the explained class, and a fixed sample."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from xkd_core import settings
from xkd_core.distillation.views import pixel_array
from xkd_core.files import cached, write_atomic
from xkd_core.images.datasets import load
from xkd_core.images.sampling import fingerprint
from xkd_core.types import Bool, ImageData, Int, UInt8


@dataclass(frozen=True)
class Split:
    """One split of a data set, its pixels cached on disk; ``targets`` are the explained classes (N,)."""

    data: ImageData
    targets: Int

    @cached_property
    def pixels(self) -> UInt8:
        """(N, H, W, 3) uint8."""
        return pixel_array(self.data)

    @cached_property
    def labels(self) -> UInt8:
        """(N, C) uint8, multi-hot."""
        return self.data.labels()

    @cached_property
    def masks(self) -> Bool | None:
        """(N, H, W) visible pixels of the explained class (all false when it is not shown), or None."""
        return None if self.data.info.masks == "none" else target_masks(self.data, self.targets)

    def image_rows(self) -> pd.DataFrame:
        """One row per image: index, labels, explained class and the plain facts (habitat, in_habitat)."""
        columns: dict[str, object] = {
            "index": np.arange(len(self.data)),
            "labels": [" ".join(map(str, np.flatnonzero(row))) for row in self.labels],
            "target": self.targets,
        }
        facts = getattr(self.data, "fact_columns", None)
        return pd.DataFrame(columns | (facts() if facts is not None else {}))

    def sample(self, n: int, *, seed: int = 0) -> Int:
        """The fixed stratified sample: the same share of every (explained class, habitat flag), ascending."""
        chosen: Int = np.sort(self.ranking(seed=seed)[:n])
        return chosen

    def ranking(self, *, seed: int = 0) -> Int:
        """All images in the order in which samples take them: a smaller sample is a part of every larger one."""
        return stratified_order(self.image_rows(), seed=seed)


def stratified_order(images: pd.DataFrame, *, seed: int = 0) -> Int:
    """Indices of ``images`` (index, target, maybe in_habitat) such that the first n are stratified for every n."""
    keys = ["target", "in_habitat"] if "in_habitat" in images else ["target"]
    shuffled = images.iloc[np.random.RandomState(seed).permutation(len(images))]
    # Rank within the stratum over its size: taking the smallest takes the same share of each.
    share = (shuffled.groupby(keys).cumcount() + 0.5) / shuffled.groupby(keys)["index"].transform("size")
    ranked: Int = shuffled["index"].to_numpy()[np.argsort(share.to_numpy(), kind="stable")]
    return ranked


def open_split(dataset: str, split: str, targets: Int) -> Split:
    """Load a split for runs of that data set."""
    return Split(load(dataset, split), targets)


def target_masks(data: ImageData, targets: Int) -> Bool:
    """Masks of one class per image, (N, H, W) bool, kept in the home's cache as packed bits."""
    state = np.frombuffer(fingerprint(data).encode(), dtype=np.uint8)
    every = np.concatenate([data.pixels([0]).ravel()[:64], targets.astype(np.uint8), state])
    name = f"{data.info.name}-{data.split}-{len(data)}-{hash_of(every)}.npz"
    path = settings.home() / "cache" / "masks" / name

    def write() -> None:
        masks = np.stack([_mask(data, index, int(targets[index])) for index in range(len(data))])
        buffer = io.BytesIO()
        np.savez_compressed(buffer, bits=np.packbits(masks), shape=np.array(masks.shape))
        write_atomic(path, buffer.getvalue())

    return cached(path, write, _unpacked)


def _unpacked(path: Path) -> Bool:
    with np.load(path) as stored:
        shape = tuple(int(side) for side in stored["shape"])
        return np.unpackbits(stored["bits"])[: int(np.prod(shape))].reshape(shape).astype(bool)


def hash_of(array: np.ndarray) -> str:
    """Sixteen hex digits of an array's bytes."""
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def _mask(data: ImageData, index: int, target: int) -> Bool:
    sample = data[index]
    return sample.masks.get(target, np.zeros(sample.pixels.shape[:2], bool))
