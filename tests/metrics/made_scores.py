"""A small smooth network in numpy, its gradient map, and images: what faithfulness is measured on in the tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Net:
    """logits = W2 tanh(W1 x): (n, C, H, W) -> (n, classes), counting how many images it was asked about."""

    first: np.ndarray
    second: np.ndarray
    shape: tuple[int, int, int]
    asked: int = 0
    calls: int = 0
    largest: int = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.asked += len(x)
        self.calls += 1
        self.largest = max(self.largest, len(x))
        return np.tanh(x.reshape(len(x), -1).astype(np.float64) @ self.first) @ self.second

    def explain(self, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Gradient times input of the target's logit, summed over the channels: (n, H, W)."""
        hidden = np.tanh(x.reshape(len(x), -1) @ self.first)
        gradient = ((1 - hidden**2) * self.second.T[targets]) @ self.first.T
        return (gradient.reshape(-1, *self.shape) * x).sum(axis=1)

    def prob(self, target: int, *, multi_label: bool = False):
        """One image (C, H, W) -> probability of ``target``, in plain numbers."""

        def of_image(image: np.ndarray) -> float:
            logits = (np.tanh(image.ravel() @ self.first) @ self.second).tolist()
            if multi_label:
                return 1 / (1 + float(np.exp(-logits[target])))
            powers = [float(np.exp(value)) for value in logits]
            return powers[target] / sum(powers)

        return of_image


def net(shape: tuple[int, int, int], *, seed: int = 0, classes: int = 4) -> Net:
    generator = np.random.default_rng(seed)
    size = int(np.prod(shape))
    return Net(generator.normal(size=(size, 12)) * 2 / np.sqrt(size), generator.normal(size=(12, classes)), shape)


def images(n: int, shape: tuple[int, int, int], *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *shape))
