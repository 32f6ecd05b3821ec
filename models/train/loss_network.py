"""SqueezeNet 1.0 (Iandola et al. 2016) up to fire8, frozen: the features that the losses compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Caffe's preprocessing: BGR, 0..255, less these means.
MEANS_BGR = (104.0, 117.0, 123.0)
POOL_AFTER = ("conv1", "fire4")
FIRES = tuple(f"fire{number}" for number in range(2, 9))
LAST_LAYER = FIRES[-1]


class LossNetwork(nn.Module):
    """RGB [N, 3, H, W] in 0..1 -> {layer: features after its ReLU}."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        with np.load(weights) as arrays:
            for name in arrays.files:
                if not name.startswith(("conv10", "fire9")):
                    self.register_buffer(self._key(name), torch.from_numpy(arrays[name].astype(np.float32)), persistent=False)
        self.register_buffer("means", torch.tensor(MEANS_BGR).view(1, 3, 1, 1), persistent=False)

    @staticmethod
    def _key(name: str) -> str:
        return name.replace("/", "_").replace(".", "_")

    def _conv(self, x: Tensor, name: str, **options: int) -> Tensor:
        return F.relu(F.conv2d(x, getattr(self, self._key(name + ".weight")), getattr(self, self._key(name + ".bias")), **options))

    def forward(self, rgb: Tensor, last: str = LAST_LAYER) -> dict[str, Tensor]:
        """Features of conv1, fire2 ... `last`; conv1 at half the input's size, fire2.. at a quarter, fire5.. at an eighth."""
        # Channels last halves the time here on a CPU: pooling, and the Gram matrices' products of channels.
        x = (rgb.flip(1) * 255.0 - self.means).contiguous(memory_format=torch.channels_last)
        x = self._conv(x, "conv1", stride=2, padding=3)
        features = {"conv1": x}
        for layer in ("conv1",) + FIRES:
            if layer != "conv1":
                x = self._conv(x, f"{layer}/squeeze1x1")
                x = torch.cat((self._conv(x, f"{layer}/expand1x1"), self._conv(x, f"{layer}/expand3x3", padding=1)), 1)
                features[layer] = x
            if layer == last:
                return features
            if layer in POOL_AFTER:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        raise ValueError(f"no layer named {last}")
