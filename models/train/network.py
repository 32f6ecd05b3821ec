"""The network: one trunk of convolutions, and for each style one row of scales and shifts at every norm.

Conditional instance normalisation: Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style" (2016).
The trunk's shape is Johnson, Alahi and Fei-Fei's, "Perceptual Losses for Real-Time Style Transfer" (2016), made about
nine times cheaper: it starts at half resolution, because its input is I420 as it stands (see colour.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
WIDE, DEEP, RESIDUAL_BLOCKS = 24, 48, 4
# Luma height and width must be a multiple of this: 2 for the blocks, 2 for the stride.
MULTIPLE = 4


class ConditionalNorm(nn.Module):
    """Instance norm whose scale and shift are one row a style: [S, C] each."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        """x [N, C, h, w], styles [N] (row numbers) -> [N, C, h, w]."""
        normal = F.instance_norm(x, eps=EPSILON)
        return torch.addcmul(self.shift[styles][:, :, None, None], normal, self.scale[styles][:, :, None, None])


class NormedConv(nn.Module):
    """Reflect padding, a 3x3 convolution without bias (the norm would take it out again), a conditional norm."""

    def __init__(self, styles: int, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, bias=False)
        self.norm = ConditionalNorm(styles, outputs)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        return self.norm(self.conv(F.pad(x, (1, 1, 1, 1), mode="reflect")), styles)


class Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.first = NormedConv(styles, channels, channels)
        self.second = NormedConv(styles, channels, channels)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x, styles)), styles)


class Network(nn.Module):
    """[N, 6, h, w] blocks (h and w even) -> [N, 6, h, w] blocks. The last convolution is linear: no sigmoid, no clamp."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.enter = NormedConv(styles, 6, WIDE)
        self.down = NormedConv(styles, WIDE, DEEP, stride=2)
        self.blocks = nn.ModuleList(Residual(styles, DEEP) for _ in range(RESIDUAL_BLOCKS))
        self.up = NormedConv(styles, DEEP, WIDE)
        self.leave = nn.Conv2d(WIDE, 6, 3)
        with torch.no_grad():  # start near mid grey, so that the first steps' clamped losses have a gradient
            self.leave.weight.mul_(0.3)
            self.leave.bias.fill_(0.5)

    def forward(self, blocks: Tensor, styles: Tensor) -> Tensor:
        """blocks [N, 6, h, w], styles [N] (row numbers)."""
        x = F.relu(self.enter(blocks, styles))
        x = F.relu(self.down(x, styles))
        for block in self.blocks:
            x = block(x, styles)
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.relu(self.up(x, styles))
        return self.leave(F.pad(x, (1, 1, 1, 1), mode="reflect"))

    def normed_convs(self) -> list[NormedConv]:
        """Every convolution that a norm follows, in the order in which they run."""
        return [module for module in self.modules() if isinstance(module, NormedConv)]
