"""The network to be compared with: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer" (2016).

Its shape is the one of that paper's supplement, with nearest upsampling in place of transposed convolutions (Odena et al.
2016) and conditional norms, so that it too learns several paintings at once. It works on RGB at full resolution. Its norms'
epsilons are network.py's: with the usual 1e-5 a window of one colour makes gradients of more than 1e38.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .colour import blocks_from_rgb, rgb_from_blocks
from .network import FIRST_EPSILON, NormedConv, Residual

RESIDUAL_BLOCKS = 5


class Johnson(nn.Module):
    """[N, 6, h, w] blocks (h and w even) -> [N, 6, h, w] blocks, through RGB."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.enter = NormedConv(styles, 3, 32, size=9, epsilon=FIRST_EPSILON)
        self.downs = nn.ModuleList(
            (NormedConv(styles, 32, 64, stride=2), NormedConv(styles, 64, 128, stride=2))
        )
        self.blocks = nn.ModuleList(Residual(styles, 128) for _ in range(RESIDUAL_BLOCKS))
        self.ups = nn.ModuleList((NormedConv(styles, 128, 64), NormedConv(styles, 64, 32)))
        self.leave = nn.Conv2d(32, 3, 9)
        with torch.no_grad():  # as in network.py
            self.leave.weight.mul_(0.3)
            self.leave.bias.fill_(0.5)

    def forward(self, blocks: Tensor, styles: Tensor) -> Tensor:
        """blocks [N, 6, h, w], styles [N] (row numbers)."""
        x = F.relu(self.enter(rgb_from_blocks(blocks), styles))
        for down in self.downs:
            x = F.relu(down(x, styles))
        for block in self.blocks:
            x = block(x, styles)
        for up in self.ups:
            x = F.relu(up(F.interpolate(x, scale_factor=2, mode="nearest"), styles))
        return blocks_from_rgb(self.leave(F.pad(x, (4, 4, 4, 4), mode="reflect")))

    def normed_convs(self) -> list[NormedConv]:
        """Every convolution that a norm follows, in the order in which they run."""
        return [module for module in self.modules() if isinstance(module, NormedConv)]
