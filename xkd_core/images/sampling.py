"""Which images stand for a split that is not read whole, and under what its cached values are kept."""

from __future__ import annotations

import numpy as np

from xkd_core.types import ImageData, Int, UInt8

SHUFFLE_SEED = 41


def first_images(data: ImageData, n: int | None) -> Int:
    """Indices of min(n, N) images of a split; all, in their order, for None.

    Where the images come class by class, the first ones would be of few classes: then of a fixed shuffle, so that
    every beginning of the answer is mixed too.
    """
    few = len(data) if n is None else min(n, len(data))
    if n is None or data.info.multi_label or not class_by_class(data.labels()):
        return np.arange(few)
    return np.random.RandomState(SHUFFLE_SEED).permutation(len(data))[:few]  # a frozen stream in every numpy


def class_by_class(labels: UInt8) -> bool:
    """Whether images with one label each, multi-hot (N, C), are sorted by it."""
    only = labels.argmax(axis=1)
    return bool((np.diff(only) >= 0).all() and len(only) > 0 and only[0] != only[-1])


def fingerprint(data: ImageData) -> str:
    """What cached values of a split are kept under besides its name: of files that may change, their state; else ""."""
    return str(getattr(data, "fingerprint", ""))
