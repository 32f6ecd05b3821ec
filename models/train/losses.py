"""The losses: what makes an output look like the painting, keep the photograph, and hold still."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .colour import rgb_from_blocks
from .loss_network import LossNetwork

CONTENT_LAYERS = ("fire3", "fire5")
STYLE_LAYERS = {"conv1": 0.5, "fire2": 0.7, "fire3": 1.0, "fire5": 1.2, "fire6": 1.0, "fire8": 0.6}


@dataclass(frozen=True)
class Weights:
    """How much each loss counts."""

    content: float = 1.0
    style: float = 4.0
    variation: float = 10.0
    overshoot: float = 5.0
    steadiness: float = 120.0


class Gram(torch.autograd.Function):
    """Features [N, P, C] at P places -> [N, C, C]: the mean over places of the products of channels.

    Written out for its backward, which PyTorch's own would take two products for: with G = F'F / P, a loss's gradient in F
    is F (dG + dG') / P.
    """

    @staticmethod
    def forward(context, features: Tensor) -> Tensor:
        context.save_for_backward(features)
        return torch.stack([each.T @ each for each in features]) / features.shape[1]

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        (features,) = context.saved_tensors
        both = (gradient + gradient.transpose(1, 2)) / features.shape[1]
        return torch.stack([each @ square for each, square in zip(features, both)])


def gram(features: Tensor) -> Tensor:
    """[N, C, h, w] -> [N, C, C] (Gatys, Ecker and Bethge 2016, equation 3, over places)."""
    return Gram.apply(features.permute(0, 2, 3, 1).flatten(1, 2))


def painting_grams(network: LossNetwork, paintings: list[Tensor]) -> dict[str, Tensor]:
    """Paintings [1, 3, H, W] in 0..1 -> {layer: [S, C, C]}, a painting a row."""
    with torch.no_grad():
        each = [{layer: gram(found[layer]) for layer in STYLE_LAYERS} for found in map(network, paintings)]
    return {layer: torch.cat([grams[layer] for grams in each]) for layer in STYLE_LAYERS}


def content_loss(output: dict[str, Tensor], content: dict[str, Tensor]) -> Tensor:
    """[N]: squared distance of features over the content's feature energy, summed over layers."""
    return sum(
        (output[layer] - content[layer]).square().mean((1, 2, 3)) / (content[layer].square().mean((1, 2, 3)) + 1.0)
        for layer in CONTENT_LAYERS
    )


def style_loss(output: dict[str, Tensor], targets: dict[str, Tensor], styles: Tensor) -> Tensor:
    """[N]: squared distance of Gram matrices over the painting's Gram energy, summed over layers."""
    total = torch.zeros(len(styles), device=styles.device)
    for layer, weight in STYLE_LAYERS.items():
        target = targets[layer][styles]
        total = total + weight * (gram(output[layer]) - target).square().sum((1, 2)) / target.square().sum((1, 2))
    return total


def variation_loss(rgb: Tensor) -> Tensor:
    """[N]: mean squared difference of neighbouring pixels, down and across."""
    down = (rgb[:, :, 1:] - rgb[:, :, :-1]).square().mean((1, 2, 3))
    across = (rgb[:, :, :, 1:] - rgb[:, :, :, :-1]).square().mean((1, 2, 3))
    return down + across


def overshoot_loss(rgb: Tensor) -> Tensor:
    """[N]: mean square of how far RGB leaves 0..1. Beyond it the clamp's gradient is 0; this one leads back."""
    return (rgb - rgb.clamp(0.0, 1.0)).square().mean((1, 2, 3))


def steadiness_loss(blocks: Tensor, moved_blocks: Tensor, down: int, across: int) -> Tensor:
    """[N]: mean squared difference of two outputs where they show the same place.

    `moved_blocks` came from the same photograph, its window moved by (down, across) pixels and noise added. A style that
    flickers, or that is drawn on the glass and not on the scene, pays here.
    """
    still, moved = rgb_from_blocks(blocks).clamp(0.0, 1.0), rgb_from_blocks(moved_blocks).clamp(0.0, 1.0)
    height, width = still.shape[2:]
    still = still[:, :, max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)]
    moved = moved[:, :, max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)]
    return (still - moved).square().mean((1, 2, 3))
