"""One rank with the method of the reference architecture: PyTorch, and one JPEG file in and one out per frame.

The counterpart of jpeg-rank.ts, which uses ONNX Runtime. Arguments: threads, folders of frames in and out. The network has
the layers of Johnson's and random weights, as in johnson.ts. With --check it only tests whether PyTorch and Pillow are
installed.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn


def layer(inputs: int, outputs: int, side: int, stride: int = 1) -> list[nn.Module]:
    padded = nn.Conv2d(inputs, outputs, side, stride, side // 2, padding_mode="reflect")
    return [padded, nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layer(128, 128, 3), *layer(128, 128, 3)[:2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


def network() -> nn.Module:
    """[N, 3, H, W] in 0..255 to the same (Johnson et al. 2016)."""
    torch.manual_seed(16)
    return nn.Sequential(
        *layer(3, 32, 9),
        *layer(32, 64, 3, 2),
        *layer(64, 128, 3, 2),
        *(Residual() for _ in range(5)),
        *(nn.Upsample(scale_factor=2), *layer(128, 64, 3)),
        *(nn.Upsample(scale_factor=2), *layer(64, 32, 3)),
        nn.Conv2d(32, 3, 9, padding=4, padding_mode="reflect"),
    ).eval()


@torch.inference_mode()
def main(threads: str, frames: str, styled: str) -> None:
    torch.set_num_threads(int(threads))
    rank, ranks = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])
    names = sorted(path.name for path in Path(frames).iterdir())
    count = len(names) // ranks  # the remainder is lost, as in the original
    model = network()
    for name in names[rank * count : (rank + 1) * count]:
        frame = torch.from_numpy(np.asarray(Image.open(Path(frames, name)).convert("RGB")).copy())
        output = model(frame.permute(2, 0, 1).unsqueeze(0).float())[0]
        samples = output.clamp(0, 255).permute(1, 2, 0).byte().numpy()
        Image.fromarray(samples).save(Path(styled, name), quality=95)


if __name__ == "__main__" and sys.argv[1:] != ["--check"]:
    main(*sys.argv[1:])
