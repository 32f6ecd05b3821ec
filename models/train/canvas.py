"""The canvas: a field of soft luma noise that lies under every frame, so that strokes have something to follow on a plain wall.

Only the first convolution sees it. It is the same for every frame of every film, so it cannot flicker; it repeats after
PERIOD blocks. A painting's own strength, and `framescatter --canvas`, say how much of it there is.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PERIOD = 256  # blocks of 2x2 pixels
# (pixels between the noise's points, gain): about the widths of strokes.
OCTAVES = ((4, 0.5), (8, 1.0), (16, 1.0), (32, 0.7))
# The field's standard deviation is 1 before it is kept as whole steps of this.
STEP = 1.0 / 32.0
SEED = 7
# The strengths, in luma samples of 0..1, that training draws from; what a style has unless somebody says otherwise.
LEAST, MOST, USUAL = 0.015, 0.075, 0.04


def canvas_steps() -> Tensor:
    """int8 [1, 6, PERIOD, PERIOD] blocks, in steps; the chroma planes are 0."""
    generator, side = np.random.default_rng(SEED), 2 * PERIOD
    luma = torch.zeros(1, 1, side, side)
    for pixels, gain in OCTAVES:
        points = torch.from_numpy(generator.standard_normal((1, 1, side // pixels, side // pixels))).float()
        around = F.pad(points, (2, 2, 2, 2), mode="circular")  # so that the field goes on where it repeats
        smooth = F.interpolate(around, scale_factor=pixels, mode="bicubic", align_corners=False)
        luma += gain * smooth[:, :, 2 * pixels : -2 * pixels, 2 * pixels : -2 * pixels]
    steps = (luma / luma.std() / STEP).round().clamp(-127, 127)
    return torch.cat((F.pixel_unshuffle(steps, 2), torch.zeros(1, 2, PERIOD, PERIOD)), 1).to(torch.int8)


def canvas_window(steps: Tensor, height: int, width: int, down: int = 0, across: int = 0) -> Tensor:
    """[1, 6, height + 2, width + 2]: the field from block (down, across) on, with one more block on every side."""
    rows = (torch.arange(-1, height + 1, device=steps.device) + down) % PERIOD
    columns = (torch.arange(-1, width + 1, device=steps.device) + across) % PERIOD
    return steps[:, :, rows][:, :, :, columns].float() * STEP
