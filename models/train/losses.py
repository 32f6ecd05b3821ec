"""The losses: what makes an output look like the painting, keep the photograph, and hold still."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import Motion, seen_through
from .colour import BLUE, GREEN, RED
from .loss_network import LossNetwork

CONTENT_LAYERS = ("fire3", "fire5")
STYLE_LAYERS = {"conv1": 0.5, "fire2": 0.7, "fire3": 1.0, "fire5": 1.2, "fire6": 1.0, "fire8": 0.6}
CELL_LAYERS = {"conv1": 0.5, "fire2": 0.7, "fire3": 1.0, "fire5": 1.0}
CELL = 64  # pixels a side of the cells that are compared with the painting each by itself
CELL_SHADES = 6  # groups of the painting's cells, from dark to light
WORST_CELL = 4.0  # a cell counts no more than this
TONE_CELL = 16  # pixels a side over which luma is averaged for the tone loss
FLAT = 0.006  # an area counts half or less in the grain loss once its own detail is above about this


@dataclass(frozen=True)
class Weights:
    """How much each loss counts."""

    content: float = 1.0
    style: float = 4.0
    cells: float = 2.0
    palette: float = 60.0
    variation: float = 10.0
    overshoot: float = 5.0
    tone: float = 4.0
    grain: float = 15.0
    steadiness: float = 25.0


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


def cell_grams(features: Tensor, side: int) -> Tensor:
    """[N, C, h, w] -> [N, rows, columns, C, C]: of each cell of side x side places, those at the edges cut off."""
    count, channels, height, width = features.shape
    rows, columns = height // side, width // side
    cells = features[:, :, : rows * side, : columns * side].permute(0, 2, 3, 1).reshape(count, rows, side, columns, side, channels)
    each = cells.transpose(2, 3).reshape(count * rows * columns, side * side, channels)
    return Gram.apply(each).view(count, rows, columns, channels, channels)


def cell_colours(rgb: Tensor, side: int) -> Tensor:
    """[N, 3, H, W] -> [N, rows, columns, 4]: mean and deviation of the blue and red difference in each cell."""
    chroma = (rgb[:, (2, 0)] - luma(rgb)) / 2.0
    mean = F.avg_pool2d(chroma, side)
    deviation = (F.avg_pool2d(chroma.square(), side) - mean.square()).clamp_min(1e-6).sqrt()
    return torch.cat((mean, deviation), 1).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class PaintedCells:
    """A painting's cells, in groups from dark to light, a painting a row."""

    shades: Tensor  # [S, G]: mean luma of each group
    colours: Tensor  # [S, G, 4]: their colours, as `cell_colours` has them
    grams: dict[str, Tensor]  # {layer: [S, G, C, C]}

    @classmethod
    def of(cls, network: LossNetwork, paintings: list[Tensor]) -> PaintedCells:
        """Paintings [1, 3, H, W] in 0..1. Cells overlap by half."""
        shades, colours, grams = [], [], {layer: [] for layer in CELL_LAYERS}
        for painting in paintings:
            parts = [painting[:, :, down:, across:] for down in (0, CELL // 2) for across in (0, CELL // 2)]
            cells = [F.avg_pool2d(luma(part), CELL).flatten() for part in parts]
            groups = torch.cat(cells).argsort().tensor_split(CELL_SHADES)
            shades.append(torch.stack([torch.cat(cells)[group].mean() for group in groups]))
            own = torch.cat([cell_colours(part, CELL).flatten(0, 2) for part in parts])
            colours.append(torch.stack([own[group].mean(0) for group in groups]))
            with torch.no_grad():
                found = [network(part) for part in parts]
                for layer, each in grams.items():
                    all_grams = torch.cat([cell_grams(one[layer], CELL * one[layer].shape[2] // part.shape[2]).flatten(0, 2) for one, part in zip(found, parts)])
                    each.append(torch.stack([all_grams[group].mean(0) for group in groups]))
        return cls(torch.stack(shades), torch.stack(colours), {layer: torch.stack(each) for layer, each in grams.items()})

    def weights(self, wanted: Tensor, styles: Tensor) -> Tensor:
        """Luma [N, rows, columns] -> [N, rows, columns, G]: how much of each group has it, in a straight line between two."""
        shades = self.shades[styles][:, None, None]
        wanted = wanted.clamp(shades[..., 0], shades[..., -1])[..., None]
        share = ((wanted - shades[..., :-1]) / (shades[..., 1:] - shades[..., :-1]).clamp_min(1e-4)).clamp(0.0, 1.0)
        reached = F.pad(share, (1, 0), value=1.0)
        return reached - F.pad(share, (0, 1), value=0.0)


def cells_loss(output: dict[str, Tensor], painted: PaintedCells, wanted: Tensor, styles: Tensor) -> Tensor:
    """[N]: each cell of the output against the painting's cells of the luma [N, 1, rows, columns] that is wanted there.

    One Gram matrix over the whole picture is satisfied by its textured places alone; this one asks every place for paint.
    """
    weights, total = painted.weights(wanted[:, 0], styles), 0.0
    for layer, weight in CELL_LAYERS.items():
        found = cell_grams(output[layer], output[layer].shape[2] // wanted.shape[2])
        target = torch.einsum("nrkg,ngij->nrkij", weights, painted.grams[layer][styles])
        distance = (found - target).square().sum((3, 4)) / target.square().sum((3, 4))
        total = total + weight * distance.clamp_max(WORST_CELL).mean((1, 2))
    return total


def palette_loss(rgb: Tensor, painted: PaintedCells, wanted: Tensor, styles: Tensor) -> Tensor:
    """[N]: squared distance of each cell's colours from those of the painting's cells of its luma: Gram matrices see hues dimly."""
    target = torch.einsum("nrkg,ngc->nrkc", painted.weights(wanted[:, 0], styles), painted.colours[styles])
    return (cell_colours(rgb, CELL) - target).square().sum(3).mean((1, 2))


def variation_loss(rgb: Tensor) -> Tensor:
    """[N]: mean squared difference of neighbouring pixels, down and across."""
    down = (rgb[:, :, 1:] - rgb[:, :, :-1]).square().mean((1, 2, 3))
    across = (rgb[:, :, :, 1:] - rgb[:, :, :, :-1]).square().mean((1, 2, 3))
    return down + across


def overshoot_loss(rgb: Tensor) -> Tensor:
    """[N]: mean square of how far RGB leaves 0..1. Beyond it the clamp's gradient is 0; this one leads back."""
    return (rgb - rgb.clamp(0.0, 1.0)).square().mean((1, 2, 3))


def luma(rgb: Tensor) -> Tensor:
    """[N, 3, H, W] -> [N, 1, H, W]."""
    return (rgb * rgb.new_tensor([RED, GREEN, BLUE]).view(3, 1, 1)).sum(1, keepdim=True)


def tone_range(painting: Tensor) -> tuple[float, float]:
    """The luma that black and white should come out with: half way from them to the painting's darkest and lightest."""
    darkest, lightest = torch.quantile(luma(painting), torch.tensor([0.02, 0.98])).tolist()
    return darkest / 2, (1.0 + lightest) / 2


def wanted_luma(seen: Tensor, ranges: Tensor, side: int) -> Tensor:
    """[N, 1, rows, columns]: the frame's luma over squares of `side` pixels, brought into the painting's range `ranges` [N, 2]."""
    dark, light = ranges.view(-1, 2, 1, 1, 1).unbind(1)
    return dark + (light - dark) * F.avg_pool2d(luma(seen), side)


def tone_loss(rgb: Tensor, seen: Tensor, ranges: Tensor) -> Tensor:
    """[N]: mean squared difference of coarse luma from what is wanted."""
    return (F.avg_pool2d(luma(rgb), TONE_CELL) - wanted_luma(seen, ranges, TONE_CELL)).square().mean((1, 2, 3))


def without_detail(picture: Tensor) -> Tensor:
    """[N, C, H, W], blurred by (1, 2, 1) / 4 down and across."""
    channels = picture.shape[1]
    line = picture.new_tensor([0.25, 0.5, 0.25])
    kernel = (line.view(-1, 1) * line).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)


def grain_loss(rgb: Tensor, seen: Tensor) -> Tensor:
    """[N]: mean detail of a pixel's size where the frame itself has none: the grain and lattices of flat areas."""
    own = luma(seen)
    activity = F.avg_pool2d((own - without_detail(own)).abs(), 9, 1, 4)
    return (torch.exp(-activity / FLAT) * (rgb - without_detail(rgb)).abs()).mean((1, 2, 3))


def steadiness_loss(rgb: Tensor, other: Tensor, motion: Motion, passer: Tensor) -> Tensor:
    """[N]: mean difference of two outputs where they show the same place.

    `other` is a frame later, after the motion; where `passer` [1, 1, H, W] is true it shows something else. A style that
    flickers, or that is drawn on the glass and not on the scene, pays here. Not squared: what flickers in a
    film is many small differences.
    """
    height, width = rgb.shape[2:]
    there = ((motion.places(height, width, (height, width)).abs() <= 1.0).all(-1) & ~passer[:, 0]).to(rgb)
    difference = (seen_through(motion, rgb, height, width) - other).square().mean(1)
    return ((difference + 1e-6).sqrt() * there).sum((1, 2)) / there.sum((1, 2))
