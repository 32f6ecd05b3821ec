"""What sets two frames of a film apart though they show one scene: small motion, a camera's noise, a codec's traces."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

LEAST_NOISE, MOST_NOISE = 0.5 / 255.0, 10.0 / 255.0
TURN, ZOOM = math.radians(1.0), 0.02  # most of each


@dataclass(frozen=True)
class Motion:
    """A pixel at (x, y) from the centre now shows what was at turned and scaled (x, y) + (across, down)."""

    across: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    angle: float = 0.0

    def places(self, height: int, width: int, source: tuple[int, int]) -> Tensor:
        """[1, height, width, 2]: where each pixel looks in a source of that (height, width), its edge pixels at -1 and 1."""
        y = torch.arange(height).view(-1, 1) - (height - 1) / 2
        x = torch.arange(width).view(1, -1) - (width - 1) / 2
        cosine, sine = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        across = (cosine * x - sine * y + self.across) / ((source[1] - 1) / 2)
        down = (sine * x + cosine * y + self.down) / ((source[0] - 1) / 2)
        return torch.stack((across, down), -1).unsqueeze(0)


def random_motion(chance: random.Random, reach: int) -> Motion:
    """None, whole pixels, or pans with fractions, turns and zooms, none of them moving a pixel's place by much over `reach`."""
    kind = chance.random()
    if kind < 0.4:
        return Motion()
    if kind < 0.65:
        return Motion(chance.randint(-reach, reach), chance.randint(-reach, reach))
    pan = reach / 2
    zoom, angle = chance.uniform(1 - ZOOM, 1 + ZOOM), chance.uniform(-TURN, TURN)
    return Motion(chance.uniform(-pan, pan), chance.uniform(-pan, pan), zoom, angle)


def seen_through(motion: Motion, picture: Tensor, height: int, width: int) -> Tensor:
    """The middle [N, C, height, width] of `picture` [N, C, H, W] after the motion."""
    places = motion.places(height, width, tuple(picture.shape[2:])).to(picture).expand(len(picture), -1, -1, -1)
    return F.grid_sample(picture, places, mode="bilinear", padding_mode="border", align_corners=True)


def passing(height: int, width: int, chance: random.Random) -> Tensor:
    """[1, 1, height, width] of booleans: where something passes through the picture, an ellipse of a sixth to all of its sides."""
    y = (torch.arange(height).view(-1, 1) / height - chance.random()) * chance.uniform(2.0, 12.0)
    x = (torch.arange(width).view(1, -1) / width - chance.random()) * chance.uniform(2.0, 12.0)
    return (y.square() + x.square() < 1.0).view(1, 1, height, width)


def recompressed(rgb: Tensor, quality: int) -> Tensor:
    """[3, H, W] in 0..1, written as JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray((rgb.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()).save(file, "jpeg", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1).float() / 255.0


def another_frame(rgb: Tensor, chance: random.Random) -> Tensor:
    """[N, 3, H, W] in 0..1 -> the same scene in another frame: grain, blotches, now and then drift and a codec's traces."""

    def noise() -> float:
        return math.exp(chance.uniform(math.log(LEAST_NOISE), math.log(MOST_NOISE)))

    count, _, height, width = rgb.shape
    rgb = rgb + torch.randn(count, 3, height, width) * noise() * chance.choice((0.0, 1.0, 1.0))
    coarse = chance.choice((2, 4, 8))
    blotches = torch.randn(count, 3, -(-height // coarse), -(-width // coarse))
    mode = chance.choice(("nearest", "bilinear"))
    blotches = F.interpolate(blotches, scale_factor=coarse, mode=mode)[:, :, :height, :width]
    rgb = rgb + blotches * noise() * 0.5 * chance.choice((0.0, 1.0))
    if chance.random() < 0.3:
        rgb = rgb * chance.uniform(0.98, 1.02) + chance.uniform(-0.01, 0.01)
    if chance.random() < 0.4:
        rgb = torch.stack([recompressed(each, chance.randint(40, 92)) for each in rgb])
    return rgb.clamp(0.0, 1.0)
