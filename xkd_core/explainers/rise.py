"""RISE (Petsiuk, Das & Saenko, BMVC 2018): how probable the class is while a pixel shows through random masks.

The masks are kept as coarse grids and shifts and made a batch at a time, so any number of them needs the same
memory. Every network and image sees the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from xkd_core.explainers.base import Explanation, Request, chunks, picked
from xkd_core.explainers.perturbation import prepare


@dataclass(frozen=True)
class Masks:
    """N smooth random masks for images of ``size`` (H, W).

    grids: (N, s, s) 0 or 1. shifts: (N, 2), where in the enlarged grid a mask begins. enlarge: for rows and
    columns a matrix (side of the enlarged grid, s) of linear interpolation.
    """

    size: tuple[int, int]
    grids: Tensor
    shifts: Tensor
    enlarge: tuple[Tensor, Tensor]

    def drawn(self, part: slice) -> Tensor:
        """Some of the masks, (n, H, W) float32 in 0..1; 1 shows a pixel, 0 hides it."""
        rows, columns = (
            matrix[start[:, None] + torch.arange(side)]  # (n, side, s)
            for matrix, start, side in zip(self.enlarge, self.shifts[part].T, self.size, strict=True)
        )
        return rows @ self.grids[part] @ columns.transpose(1, 2)


def rise(request: Request, *, n_masks: int = 1000, n_cells: int = 0, p_shown: float = 0.5) -> dict[str, Explanation]:
    """Mean of the masks, each weighted with the class's probability under it: 1 / (N p) sum_i p_c(x * m_i) m_i.

    Args: n_cells, of the coarse grid along one side, 0 for 4 (images up to 32 px) or the paper's 7; p_shown, the
    share of cells that show the image. Returns: maps (B, H, W) >= 0; a pixel's value is the mean probability over
    the masks that show it, so a class that needs no pixel gets the same value everywhere. The probability is the
    softmax, or the sigmoid for a network with ``multi_label``. Division by N p as in the paper and the authors'
    class for one image (their class for batches leaves it out). Hidden pixels fade to the mean colour.
    """
    networks = prepare(request)
    masks = draws(n_masks, n_cells, (request.x.shape[-2], request.x.shape[-1]), p_shown, seed=request.seed)
    totals = {name: torch.zeros(len(request.x), masks.size[0] * masks.size[1]) for name in networks}
    for part in chunks(n_masks, request.x):
        shown = masks.drawn(part)
        for index in range(len(request.x)):
            for name, network in networks.items():
                sure = _probabilities(request, name, network, index, shown)
                totals[name][index] += sure @ shown.flatten(1)
            request.tick(len(shown) * len(networks))
    return {
        name: request.explanation(
            name, (total / (n_masks * p_shown)).reshape(-1, *masks.size), score="probability of the target"
        )
        for name, total in totals.items()
    }


def draws(n_masks: int, n_cells: int, size: tuple[int, int], p_shown: float, *, seed: int) -> Masks:
    """Draw grids and shifts from the seed; n_cells as in `rise`."""
    cells = n_cells or (4 if max(size) <= 32 else 7)
    cell = [-(-side // cells) for side in size]  # px of the image for one cell
    generator = np.random.default_rng(seed)
    grids = generator.random((n_masks, cells, cells)) < p_shown
    shifts = generator.integers(0, cell, (n_masks, 2))
    enlarge = [torch.from_numpy(_interpolation(cells, (cells + 1) * px)) for px in cell]
    return Masks(size, torch.from_numpy(grids).float(), torch.from_numpy(shifts), (enlarge[0], enlarge[1]))


def _interpolation(cells: int, side: int) -> np.ndarray:
    """(side, cells) weights that enlarge a row of cells; beyond the outermost centres it is mirrored, as there."""
    places = (np.arange(side) + 0.5) * cells / side - 0.5
    below = np.floor(places).astype(np.int64)
    matrix = np.zeros((side, cells), dtype=np.float32)
    for cell, weight in ((below, below + 1 - places), (below + 1, places - below)):
        mirrored = np.abs(cell)
        inside = np.clip(np.where(mirrored >= cells, 2 * (cells - 1) - mirrored, mirrored), 0, cells - 1)
        np.add.at(matrix, (np.arange(side), inside), weight)
    return matrix


def _probabilities(request: Request, name: str, network: nn.Module, index: int, shown: Tensor) -> Tensor:
    """The target's probability under each mask, (n,) on the CPU."""
    image = request.x[index].permute(1, 2, 0)  # (H, W, 3), so that the batch comes out channels-last
    target = request.targets[name][index].expand(len(shown))
    with torch.inference_mode():
        batch = (image * shown[..., None].to(image)).permute(0, 3, 1, 2)
        logits = network(batch)
        multi_label = bool(getattr(request.models[name], "multi_label", False))
        return picked(logits.sigmoid() if multi_label else logits.softmax(dim=1), target).float().cpu()
