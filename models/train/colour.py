"""RGB <-> the network's own picture format: 2x2 luma blocks of I420 as six planes.

The six channels of a block are Y(0,0), Y(0,1), Y(1,0), Y(1,1) (row, column), U, V, each the coded 8-bit sample
divided by 255, in ITU-R BT.709 limited range (Y 16..235, U and V 16..240, neutral at 128).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# ITU-R BT.709-6, item 3.2: E'Y = 0.2126 E'R + 0.7152 E'G + 0.0722 E'B.
RED, BLUE = 0.2126, 0.0722
GREEN = 1.0 - RED - BLUE
# Item 3.4, 8-bit limited range, as fractions of 255.
LUMA_SPAN, LUMA_ZERO = 219.0 / 255.0, 16.0 / 255.0
CHROMA_SPAN, CHROMA_ZERO = 224.0 / 255.0, 128.0 / 255.0


def blocks_from_rgb(rgb: Tensor) -> Tensor:
    """[N, 3, H, W] RGB in 0..1 (H and W even) -> [N, 6, H/2, W/2] blocks. Chroma is the block's mean."""
    red, green, blue = rgb.unbind(1)
    luma = RED * red + GREEN * green + BLUE * blue
    blue_difference = (blue - luma) / (2.0 * (1.0 - BLUE))
    red_difference = (red - luma) / (2.0 * (1.0 - RED))
    chroma = F.avg_pool2d(torch.stack((blue_difference, red_difference), 1), 2)
    coded_luma = F.pixel_unshuffle((luma * LUMA_SPAN + LUMA_ZERO).unsqueeze(1), 2)
    return torch.cat((coded_luma, chroma * CHROMA_SPAN + CHROMA_ZERO), 1)


def rgb_from_blocks(blocks: Tensor) -> Tensor:
    """[N, 6, H/2, W/2] blocks -> [N, 3, H, W] RGB, not clamped. Chroma is repeated over its block."""
    luma = (F.pixel_shuffle(blocks[:, :4], 2)[:, 0] - LUMA_ZERO) / LUMA_SPAN
    chroma = F.interpolate((blocks[:, 4:] - CHROMA_ZERO) / CHROMA_SPAN, scale_factor=2, mode="nearest")
    blue = luma + 2.0 * (1.0 - BLUE) * chroma[:, 0]
    red = luma + 2.0 * (1.0 - RED) * chroma[:, 1]
    green = (luma - RED * red - BLUE * blue) / GREEN
    return torch.stack((red, green, blue), 1)
