"""Photographs and paintings in, random training windows out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PHOTOGRAPHS = (".jpg", ".jpeg", ".png")
# (height, width, pictures in a batch, how often): mostly square, at times wide, tall or large, at about equal cost.
SHAPES = ((256, 256, 2, 0.75), (192, 384, 2, 0.1), (320, 192, 2, 0.05), (384, 448, 1, 0.1))
# A window is cut this many pixels larger on every side, so that a second one can be cut a little beside the first.
MARGIN = 8


def tensor_from_image(image: Image.Image) -> Tensor:
    """RGB image -> [3, H, W] in 0..1."""
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.uint8).copy()).permute(2, 0, 1).float() / 255.0


def load_painting(path: Path, short_side: int) -> Tensor:
    """[1, 3, H, W] in 0..1, scaled to `short_side` pixels on its short side."""
    image = Image.open(path).convert("RGB")
    scale = short_side / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return tensor_from_image(image.resize(size, Image.Resampling.LANCZOS)).unsqueeze(0)


def list_photographs(folder: Path, held_back: int) -> tuple[list[Path], list[Path]]:
    """(for training, held back): the last `held_back` by name are never trained on."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOGRAPHS)
    if len(paths) <= held_back:
        raise SystemExit(f"{folder} holds {len(paths)} pictures; more than {held_back} are needed")
    return paths[: len(paths) - held_back], paths[len(paths) - held_back :]


@dataclass(frozen=True)
class Batch:
    """Windows of photographs, and the same photographs through a window moved by (down, across) pixels."""

    scene: Tensor  # [N, 3, H, W] in 0..1: what the output should show
    rgb: Tensor  # [N, 3, H, W] in 0..1: the scene, maybe faded: what the network sees
    moved: Tensor  # [N, 3, H, W] in 0..1: the same through the moved window
    down: int
    across: int


class Photographs:
    """Random windows of the photographs at random scales, now and then letterboxed, now and then faded.

    A faded window (contrast lowered towards some grey) is compared with the one before fading: a content loss relative to
    the faded window's own features would count it tens of times as much as any other.
    """

    def __init__(self, paths: list[Path], seed: int) -> None:
        self.images = [Image.open(path).convert("RGB") for path in paths]
        self.random = random.Random(seed)

    def _window(self, height: int, width: int) -> Tensor:
        image = self.random.choice(self.images)
        least = max(height / image.height, width / image.width)
        scale = least * self.random.choice((1.0, self.random.uniform(1.0, 2.0)))
        across, down = min(width / scale, image.width), min(height / scale, image.height)
        left, top = self.random.uniform(0, image.width - across), self.random.uniform(0, image.height - down)
        window = image.resize((width, height), Image.Resampling.BICUBIC, (left, top, left + across, top + down), 3.0)
        rgb = tensor_from_image(window)
        if self.random.random() < 0.5:
            rgb = rgb.flip(2)
        if self.random.random() < 0.05:  # letterbox
            bar = self.random.randrange(16, height // 4)
            rgb[:, :bar] = rgb[:, height - bar :] = 0.0
        return rgb

    def _faded(self, rgb: Tensor) -> Tensor:
        if self.random.random() >= 0.15:
            return rgb
        contrast = self.random.uniform(0.1, 1.0)
        return rgb * contrast + self.random.uniform(0.0, 1.0 - contrast)

    def batch(self) -> Batch:
        height, width, count, _ = self.random.choices(SHAPES, [shape[3] for shape in SHAPES])[0]
        scene = torch.stack([self._window(height + 2 * MARGIN, width + 2 * MARGIN) for _ in range(count)])
        faded = torch.stack([self._faded(each) for each in scene])
        down, across = self.random.randint(-MARGIN, MARGIN), self.random.randint(-MARGIN, MARGIN)

        def cut(whole: Tensor, top: int, left: int) -> Tensor:
            return whole[:, :, top : top + height, left : left + width]

        moved = cut(faded, MARGIN + down, MARGIN + across)
        return Batch(cut(scene, MARGIN, MARGIN), cut(faded, MARGIN, MARGIN), moved, down, across)
