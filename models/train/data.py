"""Photographs and paintings in, random training windows out."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .camera import Motion, another_frame, passing, random_motion, seen_through
from .canvas import LEAST, MOST, PERIOD

PHOTOGRAPHS = (".jpg", ".jpeg", ".png")
# (height, width, pictures in a batch, how often): mostly square, at times wide, tall or large, at about equal cost.
SHAPES = ((256, 256, 2, 0.75), (192, 384, 2, 0.1), (320, 192, 2, 0.05), (384, 448, 1, 0.1))
PLAIN = 0.2  # how many windows have a plain wall put into them: photographs of anything have few
# A window is cut this many pixels larger on every side, so that what moves into it is there.
MARGIN = 8
# A window's longer side and its margins take half of a photograph's short side or more: pixels beyond this are never seen.
SHORT_SIDE = 1024
LEAST_SIDE = 256  # pixels on a painting's short side; smaller ones would teach the blur of their enlargement


def tensor_from_image(image: Image.Image) -> Tensor:
    """RGB image -> [3, H, W] in 0..1."""
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.uint8).copy()).permute(2, 0, 1).float() / 255.0


def load_painting(path: Path, short_side: int) -> Tensor:
    """[1, 3, H, W] in 0..1, scaled to `short_side` pixels on its short side. Ends the program where it cannot be used."""
    image = open_image(path).convert("RGB")
    if min(image.size) < LEAST_SIDE:
        raise SystemExit(f"{path} is {image.width}x{image.height}: a painting's short side needs {LEAST_SIDE} pixels, better 448 or more")
    scale = short_side / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return tensor_from_image(image.resize(size, Image.Resampling.LANCZOS)).unsqueeze(0)


def open_image(path: Path) -> Image.Image:
    """The image, not decoded yet. Ends the program where there is none."""
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise SystemExit(f"{path} does not exist") from None
    except OSError:
        raise SystemExit(f"{path} is not an image that Pillow reads, such as JPEG or PNG") from None


def load_photograph(path: Path) -> Image.Image:
    """RGB, made smaller to SHORT_SIDE where it is larger: hundreds of a camera's pictures would take tens of gigabytes."""
    image = open_image(path)
    scale = SHORT_SIDE / min(image.size)
    if scale >= 1.0:
        return image.convert("RGB")
    size = (round(image.width * scale), round(image.height * scale))
    image.draft("RGB", size)  # a JPEG is then decoded at a fraction of its size, not below this one
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def list_photographs(folder: Path, held_back: int) -> tuple[list[Path], list[Path]]:
    """(for training, held back): the last `held_back` by name are never trained on."""
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not a folder of photographs")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOGRAPHS)
    if len(paths) <= held_back:
        raise SystemExit(f"{folder} holds {len(paths)} pictures; more than {held_back} are needed")
    return paths[: len(paths) - held_back], paths[len(paths) - held_back :]


@dataclass(frozen=True)
class Batch:
    """Windows of photographs, and the same photographs as another frame of a film would show them."""

    scene: Tensor  # [N, 3, H, W] in 0..1: what the output should show
    seen: Tensor  # [N, 3, H, W] in 0..1: the scene, maybe faded, noisy at times: what the network sees
    other: Tensor  # [N, 3, H, W] in 0..1: what it sees a frame later, moved and with noise
    motion: Motion
    passer: Tensor  # [1, 1, H, W] of booleans: where the other frame shows something else altogether
    contrast: Tensor  # [N] in 0..1: what fading left of the scene's contrast
    canvas: Tensor  # [N]: strengths of the canvas
    place: tuple[int, int]  # of the canvas under both frames, in blocks


class Photographs:
    """Random windows of the photographs at random scales, now and then letterboxed, now and then faded.

    A faded window (contrast lowered towards some colour) is compared with the one before fading: a content loss relative to
    the faded window's own features would count it tens of times as much as any other.
    """

    def __init__(self, paths: list[Path], seed: int, on_canvas: bool) -> None:
        self.images = [load_photograph(path) for path in paths]
        self.strengths = (LEAST, MOST) if on_canvas else (0.0, 0.0)
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
        if self.random.random() < PLAIN:
            rgb = self._with_plain_place(rgb)
        if self.random.random() < 0.08:  # letterbox
            bar = self.random.randrange(16, height // 4)
            rgb[:, :bar] = rgb[:, height - bar :] = 0.0
        return rgb

    def _with_plain_place(self, rgb: Tensor) -> Tensor:
        """The window with a wall in it: one side of a line, or all but an ellipse, in a soft gradient of its own colours."""
        _, height, width = rgb.shape
        colours = [rgb[:, self.random.randrange(height), self.random.randrange(width)].view(3, 1, 1) for _ in range(2)]
        y, x = torch.arange(height).view(-1, 1) / height - 0.5, torch.arange(width).view(1, -1) / width - 0.5
        angle = self.random.uniform(0.0, 2.0 * math.pi)
        along = math.cos(angle) * x + math.sin(angle) * y
        if self.random.random() < 0.5:
            plain = along > self.random.uniform(-0.3, 0.3)
        else:
            middle = self.random.uniform(-0.3, 0.3), self.random.uniform(-0.3, 0.3)
            plain = ((y - middle[0]) ** 2 + (x - middle[1]) ** 2).sqrt() > self.random.uniform(0.15, 0.4)
        mix = (0.5 + along * self.random.uniform(0.0, 0.6)).clamp(0.0, 1.0)
        return torch.where(plain, colours[0] * mix + colours[1] * (1.0 - mix), rgb)

    def _contrast(self) -> float:
        kind = self.random.random()
        if kind < 0.12:
            return self.random.uniform(0.1, 1.0)
        return self.random.choice((0.0, self.random.uniform(0.0, 0.1))) if kind < 0.22 else 1.0

    def _fade_colour(self) -> Tensor:
        kind = self.random.random()
        if kind < 0.6:
            return torch.full((3, 1, 1), 0.0 if kind < 0.4 else 1.0)
        grey = self.random.random()
        return torch.tensor([min(max(grey + self.random.gauss(0.0, 0.1), 0.0), 1.0) for _ in range(3)]).view(3, 1, 1)

    def batch(self) -> Batch:
        height, width, count, _ = self.random.choices(SHAPES, [shape[3] for shape in SHAPES])[0]
        whole = torch.stack([self._window(height + 2 * MARGIN, width + 2 * MARGIN) for _ in range(count)])
        contrast = torch.tensor([self._contrast() for _ in range(count)])
        faded = torch.stack([each * left + self._fade_colour() * (1.0 - left) for each, left in zip(whole, contrast.tolist())])
        motion = random_motion(self.random, MARGIN)
        moved = seen_through(motion, faded, height, width)
        passer = passing(height, width, self.random) & torch.tensor(self.random.random() < 0.3)
        other = another_frame(torch.where(passer, moved.roll(1, 0).flip(2, 3), moved), self.random)
        scene, seen = (each[:, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width] for each in (whole, faded))
        if self.random.random() < 0.4:
            seen = another_frame(seen, self.random)
        canvas = torch.tensor([self.random.uniform(*self.strengths) for _ in range(count)])
        place = self.random.randrange(PERIOD), self.random.randrange(PERIOD)
        return Batch(scene, seen, other, motion, passer, contrast, canvas, place)
