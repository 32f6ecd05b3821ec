"""Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016): the pixels themselves are optimised.

Slow, and for one photograph at a time, but no network limits it: the least that content and style loss can come to. The change is
a sum of layers from fine to coarse, since SqueezeNet's gradients move single pixels and leave tones alone: on one photograph
120 steps came to a style loss of 0.06 in this way, and 200 steps without to 1.14.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .loss_network import LossNetwork
from .losses import CONTENT_LAYERS, Weights, content_loss, overshoot_loss, style_loss, variation_loss

COARSENESS = (1, 2, 4, 8, 16, 32)  # pixels a side that a number of each layer covers
HISTORY = 20  # steps that L-BFGS remembers


def optimised(network: LossNetwork, photograph: Tensor, grams: dict[str, Tensor], steps: int) -> Tensor:
    """RGB [1, 3, H, W] in 0..1, from the photograph on, by L-BFGS; content, style, variation and overshoot count as in training."""
    weights, first = Weights(), torch.zeros(1, dtype=torch.long)
    height, width = photograph.shape[2:]
    layers = [torch.zeros(1, 3, -(-height // side), -(-width // side), requires_grad=True) for side in COARSENESS]
    with torch.no_grad():
        content = network(photograph, CONTENT_LAYERS[-1])
    optimiser = torch.optim.LBFGS(layers, max_iter=steps, max_eval=2 * steps, history_size=HISTORY, line_search_fn="strong_wolfe")

    def pixels() -> Tensor:
        return photograph + sum(F.interpolate(layer, (height, width), mode="bilinear") for layer in layers)

    def loss() -> Tensor:
        optimiser.zero_grad()
        rgb = pixels()
        shown = rgb.clamp(0.0, 1.0)
        features = network(shown)
        total = weights.content * content_loss(features, content) + weights.style * style_loss(features, grams, first)
        total = (total + weights.variation * variation_loss(shown) + weights.overshoot * overshoot_loss(rgb)).sum()
        total.backward()
        for layer in layers:
            layer.grad = layer.grad.contiguous()  # the loss network's are channels last, which L-BFGS cannot flatten
        return total

    optimiser.step(loss)
    return pixels().detach().clamp(0.0, 1.0)
