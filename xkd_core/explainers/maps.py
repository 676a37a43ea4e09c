"""Class activation maps as pure tensor maths: (B, K, h, w) -> (B, h, w), differentiable, signed.

The pages and the training losses use these same functions. No ReLU is applied to a result; one stands
inside only where the paper's own weights have it (Grad-CAM++, Layer-CAM). Nothing here runs a network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xkd_core.errors import BadInputError


def cam_map(activation: Tensor, weight_rows: Tensor) -> Tensor:
    """Weighted sum of the channels, M = sum_k w_k A_k (CAM, Zhou et al. 2016, Eq. 2).

    Args: activation (B, K, h, w); weight_rows (B, K), the explained class's row for each image.
    Returns: (B, h, w), signed, in units of weight x activation. Errors: BadInputError on other shapes.
    """
    if activation.ndim != 4 or weight_rows.shape != activation.shape[:2]:
        came = f"{tuple(activation.shape)} and {tuple(weight_rows.shape)}"
        raise BadInputError(f"A map needs activation (B, K, h, w) and one weight per channel (B, K); got {came}.")
    return torch.einsum("bk,bkhw->bhw", weight_rows, activation)


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, Eq. 1-2) before its ReLU: w_k = mean_ij g_kij.

    Args: activation and gradient of the score by it, both (B, K, h, w). Returns: (B, h, w), signed.
    """
    return cam_map(activation, gradient.mean(dim=(2, 3)))


def grad_cam_pp(activation: Tensor, gradient: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Grad-CAM++ (Chattopadhyay et al. 2018, exponential score) before its ReLU.

    w_k = sum_ij a_kij relu(g_kij) with a = g^2 / (2 g^2 + S_k g^3 + eps), S_k = sum_ij A_kij.
    ``eps`` is pytorch-grad-cam's. Gradients well under 1e-3, usual behind global average pooling, make
    it the largest part, so that w grows like g^3. Near S_k g = -2 (possible where A < 0) a is singular.

    Args: activation and gradient of the score by it, both (B, K, h, w). Returns: (B, h, w), signed.
    """
    total = activation.sum(dim=(2, 3), keepdim=True)  # (B, K, 1, 1)
    square = gradient.square()
    ratio = square / (2 * square + total * square * gradient + eps)  # 0 where the gradient is 0
    return cam_map(activation, (ratio * gradient.relu()).sum(dim=(2, 3)))


def hires_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """HiResCAM (Draelos & Carin 2020): M = sum_k g_k * A_k, element by element.

    Args: activation and gradient of the score by it, both (B, K, h, w). Returns: (B, h, w), signed.
    """
    return (gradient * activation).sum(dim=1)


def xgrad_cam(activation: Tensor, gradient: Tensor, *, eps: float = 1e-7) -> Tensor:
    """XGrad-CAM (Fu et al. 2020) before its ReLU: w_k = sum_ij g A / (sum_ij A + eps).

    Args: activation and gradient of the score by it, both (B, K, h, w). Returns: (B, h, w), signed.
    """
    total = activation.sum(dim=(2, 3))  # (B, K)
    return cam_map(activation, (gradient * activation).sum(dim=(2, 3)) / (total + eps))


def layer_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Layer-CAM (Jiang et al. 2021) before its outer ReLU: M = sum_k relu(g_k) * A_k.

    Args: activation and gradient of the score by it, both (B, K, h, w). Returns: (B, h, w), signed.
    """
    return hires_cam(activation, gradient.relu())


def ewa(activation: Tensor) -> Tensor:
    """Equally weighted attribution (paper 004, EWA; Zagoruyko & Komodakis 2017): sum_k A_k^2.

    Args: activation (B, K, h, w). Returns: (B, h, w), >= 0, in squared units; no class enters it.
    """
    return activation.square().sum(dim=1)
