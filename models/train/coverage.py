"""Coverage: how much of a restyled photograph looks like some place of the painting, patch by patch.

A patch is 32x32 pixels; patches lie 16 pixels apart. Two patches are compared by their Gram matrices at conv1, fire2 and
fire3, with the weights of the cells loss: squared difference over the energy of the painting's patch, summed over layers. An
output patch's distance is the one to the nearest patch of the painting. It is covered if that is at most the threshold: the
90th percentile of the distances of the painting's own patches to the nearest patch at least 64 pixels away. The painting
itself so has a coverage of 0.9. Coverage is the precision, and variety the recall, of Kynkaanniemi et al., "Improved
Precision and Recall Metric for Assessing Generative Models" (2019), with one radius for all patches.

- Coverage in plain places counts only the patches where the photograph is plain: a wash leaves these uncovered.
- Variety is the share of the painting's patches that lie within the threshold of some output patch. A flat patch is rightly
  covered where the painting has flat places of that colour, as Hokusai's sky. An output of nothing else has a high coverage
  and a low variety: read both. Variety grows with the number of photographs, so compare it only over the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .loss_network import LossNetwork
from .losses import CELL_LAYERS, luma

PATCH, STEP = 32, 16  # pixels a side of a patch; between patches
LAYERS = {"conv1": 2, "fire2": 4, "fire3": 4}  # pixels between a layer's places
APART = 64  # pixels between a painting's patches that count as different places
WITHIN = 0.9  # of the painting's own patches are covered
PLAIN = 8.0 / 255.0  # luma's standard deviation about a plane, below which a patch is plain


def patch_grams(network: LossNetwork, rgb: Tensor) -> dict[str, Tensor]:
    """RGB [1, 3, H, W] in 0..1 -> {layer: [patches, C (C + 1) / 2]}, row by row: the halves of the symmetric Gram matrices.

    What lies off the diagonal is scaled so that distances are those of the whole matrices.
    """
    rows, columns = patches_of(rgb)
    found = {}
    with torch.no_grad():
        features = network(rgb, "fire3")
        for layer, stride in LAYERS.items():
            size, step = PATCH // stride, STEP // stride
            parts = features[layer][0].unfold(1, size, step).unfold(2, size, step)[:, :rows, :columns]
            places = parts.permute(1, 2, 3, 4, 0).reshape(rows * columns, size * size, -1)
            grams = places.transpose(1, 2) @ places / (size * size)
            down, across = torch.triu_indices(grams.shape[1], grams.shape[1])
            found[layer] = grams[:, down, across] * torch.where(down == across, 1.0, 2.0**0.5)
    return found


def patches_of(rgb: Tensor) -> tuple[int, int]:
    """(rows, columns) of patches in RGB [N, 3, H, W]."""
    return (rgb.shape[2] - PATCH) // STEP + 1, (rgb.shape[3] - PATCH) // STEP + 1


def plain_patches(rgb: Tensor) -> Tensor:
    """RGB [1, 3, H, W] in 0..1 -> booleans [patches]: where luma hardly leaves a plane (a wall, a clear sky)."""
    each = F.unfold(luma(rgb), PATCH, stride=STEP)[0].T
    line = torch.linspace(-1.0, 1.0, PATCH)
    down, across = torch.meshgrid(line, line, indexing="ij")
    plane, _ = torch.linalg.qr(torch.stack((torch.ones(PATCH * PATCH), down.flatten(), across.flatten()), 1))
    return (each - each @ plane @ plane.T).square().mean(1).sqrt() < PLAIN


@dataclass(frozen=True)
class Coverage:
    """Shares of 0..1; `plain` is not a number where the photographs have no plain patch."""

    all: float
    plain: float
    variety: float


@dataclass(frozen=True)
class PaintedPatches:
    """A painting's patches, and how near to one of them is near."""

    grams: dict[str, Tensor]  # {layer: [K, C (C + 1) / 2]}
    energies: dict[str, Tensor]  # {layer: [K]}
    threshold: float

    @classmethod
    def of(cls, network: LossNetwork, painting: Tensor) -> PaintedPatches:
        """Painting [1, 3, H, W] in 0..1."""
        grams = patch_grams(network, painting)
        energies = {layer: gram.square().sum(1) for layer, gram in grams.items()}
        rows, columns = patches_of(painting)
        places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)) * STEP
        near = (places[:, None] - places[None]).abs().amax(2) < APART
        own = cls(grams, energies, 0.0).distances(grams).masked_fill(near, torch.inf).amin(1)
        return cls(grams, energies, torch.quantile(own, WITHIN).item())

    def distances(self, grams: dict[str, Tensor]) -> Tensor:
        """Patches {layer: [N, ...]} -> [N, K]: of each to each of the painting's."""
        total = torch.zeros(())
        for layer, own in self.grams.items():
            energy = self.energies[layer]
            squares = grams[layer].square().sum(1)[:, None] + energy - 2.0 * grams[layer] @ own.T
            total = total + CELL_LAYERS[layer] * squares.clamp_min(0.0) / energy
        return total

    def coverage(self, network: LossNetwork, outputs: list[Tensor], plain: list[Tensor]) -> Coverage:
        """Of outputs [1, 3, H, W] in 0..1, whose photographs are plain at the patches `plain`."""
        covered, reached = [], torch.full((len(self.energies["conv1"]),), torch.inf)
        for output in outputs:
            distances = self.distances(patch_grams(network, output))
            covered.append(distances.amin(1) <= self.threshold)
            reached = torch.minimum(reached, distances.amin(0))
        every, flat = torch.cat(covered).float(), torch.cat(plain)
        return Coverage(every.mean().item(), every[flat].mean().item(), (reached <= self.threshold).float().mean().item())
