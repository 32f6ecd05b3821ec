"""The network: one trunk of convolutions, and for each style one row of scales and shifts at every norm.

Conditional instance normalisation: Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style" (2016).
The trunk's shape is Johnson, Alahi and Fei-Fei's, "Perceptual Losses for Real-Time Style Transfer" (2016), made about
nine times cheaper: it starts at half resolution, because its input is I420 as it stands (see colour.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .canvas import canvas_steps, canvas_window

# Added to a channel's variance before dividing by it. With the usual 1e-5 the noise of a dark or empty frame is made into a
# picture of full contrast. These are a quarter or less of what a photograph's channels have.
FIRST_EPSILON, EPSILON = 5e-3, 1.0
# How much of a block's mean luma goes straight to the output. Not trained: the style loss would train it away.
SKIP = 0.45
RESIDUAL_BLOCKS = 4
# Luma height and width must be a multiple of this: 2 for the blocks, 2 for the stride.
MULTIPLE = 4


class ConditionalNorm(nn.Module):
    """Instance norm whose scale and shift are one row a style: [S, C] each."""

    def __init__(self, styles: int, channels: int, epsilon: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))
        self.epsilon = epsilon

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        """x [N, C, h, w], styles [N] (row numbers) -> [N, C, h, w]."""
        normal = F.instance_norm(x, eps=self.epsilon)
        return torch.addcmul(self.shift[styles][:, :, None, None], normal, self.scale[styles][:, :, None, None])


class NormedConv(nn.Module):
    """Reflect padding, a convolution without bias (the norm would take it out again), a conditional norm."""

    def __init__(self, styles: int, inputs: int, outputs: int, stride: int = 1, size: int = 3, epsilon: float = EPSILON) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, bias=False)
        self.norm = ConditionalNorm(styles, outputs, epsilon)

    def forward(self, x: Tensor, styles: Tensor, beside: Tensor | float = 0.0) -> Tensor:
        """`beside` is added to what the convolution gives."""
        return self.norm(self.conv(F.pad(x, (self.conv.kernel_size[0] // 2,) * 4, mode="reflect")) + beside, styles)


class Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.first = NormedConv(styles, channels, channels)
        self.second = NormedConv(styles, channels, channels)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x, styles)), styles)


class Network(nn.Module):
    """[N, 6, h, w] blocks (h and w even) -> [N, 6, h, w] blocks. What makes the output is linear: no sigmoid, no clamp.

    `wide` channels at half of the frame's resolution, `deep` at a quarter. Instance norm takes a frame's own brightness and
    contrast out; `skip` brings them back, so that a fade to black ends in the dark. `canvas` [S] is the strength at which a
    style sees the canvas (see canvas.py); all 0 in networks that were trained without.
    """

    def __init__(self, styles: int, wide: int = 24, deep: int = 48) -> None:
        super().__init__()
        self.wide, self.deep = wide, deep
        self.enter = NormedConv(styles, 6, wide, epsilon=FIRST_EPSILON)
        self.down = NormedConv(styles, wide, deep, stride=2)
        self.blocks = nn.ModuleList(Residual(styles, deep) for _ in range(RESIDUAL_BLOCKS))
        self.up = NormedConv(styles, deep, wide)
        self.leave = nn.Conv2d(wide, 6, 3)
        self.skip = nn.Conv2d(6, 6, 1, bias=False)
        self.skip.requires_grad_(False)
        self.register_buffer("canvas", torch.zeros(styles), persistent=False)
        self.register_buffer("steps", canvas_steps(), persistent=False)
        with torch.no_grad():  # start near mid grey, so that the first steps' clamped losses have a gradient
            self.leave.weight.mul_(0.3)
            self.leave.bias.fill_(0.5)
            self.skip.weight.zero_()
            self.skip.weight[:4, :4] = SKIP / 4
            self.leave.bias[:4] -= SKIP / 2

    def forward(self, blocks: Tensor, styles: Tensor, canvas: Tensor | None = None, place: tuple[int, int] = (0, 0)) -> Tensor:
        """blocks [N, 6, h, w], styles [N] (row numbers), canvas [N] (strengths; the styles' own), its place in blocks."""
        strengths = self.canvas[styles] if canvas is None else canvas
        under = self.enter.conv(canvas_window(self.steps, blocks.shape[2], blocks.shape[3], *place))
        x = F.relu(self.enter(blocks, styles, strengths[:, None, None, None] * under))
        x = F.relu(self.down(x, styles))
        for block in self.blocks:
            x = block(x, styles)
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.relu(self.up(x, styles))
        return self.leave(F.pad(x, (1, 1, 1, 1), mode="reflect")) + self.skip(blocks)

    def normed_convs(self) -> list[NormedConv]:
        """Every convolution that a norm follows, in the order in which they run."""
        return [module for module in self.modules() if isinstance(module, NormedConv)]
