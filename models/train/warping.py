"""The warping error of Lai et al., "Learning Blind Video Temporal Consistency" (2018, section 4): how much a video flickers.

Each output frame is compared with the one before, warped by the optical flow of the source: the mean squared difference of RGB
in 0..1 over pixels that both frames show, then the mean over frames. Pixels are left out as in Ruder et al., "Artistic Style
Transfer for Videos" (2016): where forward and backward flow disagree, at motion boundaries, and where the flow leaves the frame.
Lai et al. take FlowNet 2.0; this takes OpenCV's DIS, so that figures compare only among themselves. DIS drifts on a plain wall:
its flow counts only where it explains the frames better than standing still does. In pans, windows that move over a photograph,
the flow is known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .clips import Clip
from .colour import blocks_from_rgb, rgb_from_blocks
from .data import tensor_from_image

PAN = (2.5, 1.5)  # pixels a frame by which the window moves across and down
PAN_FRAMES = 8
# A flow must lower the mean squared difference of luma, in levels of 255 over a square of so many pixels a side, by this.
AROUND, BETTER = 15, 1.0


@dataclass(frozen=True)
class Track:
    """How a frame of the source follows from the one before."""

    flow: Tensor  # [1, 2, H, W]: a pixel at (x, y) was at (x, y) + flow in the frame before
    seen: Tensor  # [H, W] of booleans: where both frames show it


def warped(picture: Tensor, flow: Tensor) -> Tensor:
    """[1, C, H, W]: at each pixel what `picture` has at the pixel's place plus `flow` [1, 2, H, W]."""
    height, width = picture.shape[2:]
    across = (torch.arange(width) + flow[:, 0]) * (2.0 / (width - 1)) - 1.0
    down = (torch.arange(height).view(-1, 1) + flow[:, 1]) * (2.0 / (height - 1)) - 1.0
    return F.grid_sample(picture, torch.stack((across, down), -1), padding_mode="border", align_corners=True)


def inside(flow: Tensor) -> Tensor:
    """[H, W] of booleans: where the flow [1, 2, H, W] stays in the frame."""
    height, width = flow.shape[2:]
    across, down = torch.arange(width) + flow[0, 0], torch.arange(height).view(-1, 1) + flow[0, 1]
    return (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)


def consistent(forward: Tensor, backward: Tensor) -> Tensor:
    """[H, W] of booleans: neither disoccluded nor at a motion boundary (Ruder et al. 2016, equations 5 and 6)."""
    came = warped(forward, backward)
    size, back = came.square().sum(1), backward.square().sum(1)
    disoccluded = (came + backward).square().sum(1) > 0.01 * (size + back) + 0.5
    gradients = sum(gradient.square().sum(1) for gradient in torch.gradient(backward, dim=(2, 3)))
    return ~(disoccluded | (gradients > 0.01 * back + 0.002))[0]


def unlike(one: Tensor, other: Tensor) -> Tensor:
    """[1, 1, H, W]: mean squared difference around each pixel."""
    return F.avg_pool2d((one - other).square(), AROUND, 1, AROUND // 2, count_include_pad=False)


def rgb_frames(clip: Clip) -> list[Tensor]:
    """[1, 3, H, W] in 0..1 each."""
    return [rgb_from_blocks(torch.from_numpy(blocks[None]).float() / 255.0).clamp(0.0, 1.0) for blocks in clip.blocks]


def luma_frames(clip: Clip) -> list[np.ndarray]:
    """[H, W] of 8 bits each."""
    count, _, rows, columns = clip.blocks.shape
    luma = clip.blocks[:, :4].reshape(count, 2, 2, rows, columns).transpose(0, 3, 1, 4, 2)
    return list(np.ascontiguousarray(luma.reshape(count, 2 * rows, 2 * columns)))


def tracks_of(clip: Clip) -> list[Track]:
    """One for every frame but the first, by OpenCV's dense inverse search (Kroeger et al. 2016)."""
    try:
        import cv2
    except ImportError:
        raise SystemExit("--clip measures optical flow with OpenCV: pip install opencv-python-headless") from None
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(start: np.ndarray, end: np.ndarray) -> Tensor:
        found = torch.from_numpy(search.calc(start, end, None)).permute(2, 0, 1).unsqueeze(0)
        first, second = (torch.from_numpy(frame).view(1, 1, *frame.shape).float() for frame in (start, end))
        moving = unlike(first, second) > unlike(first, warped(second, found)) + BETTER
        return found * moving

    luma = luma_frames(clip)
    tracks = []
    for before, now in pairwise(luma):
        forward, backward = flow(before, now), flow(now, before)
        tracks.append(Track(backward, inside(backward) & consistent(forward, backward)))
    return tracks


@dataclass(frozen=True)
class Pan:
    """A window that moves over a photograph."""

    clip: Clip
    tracks: list[Track]

    @classmethod
    def over(cls, photograph: Path, width: int, multiple: int) -> Pan:
        """The photograph is `width` pixels wide; the window's sides are multiples."""
        image = Image.open(photograph).convert("RGB")
        scale = image.width / width
        sides = (width, image.height / scale)
        across, down = (int(side - (PAN_FRAMES - 1) * step) for side, step in zip(sides, PAN))
        across, down = across - across % multiple, down - down % multiple
        frames = []
        for number in range(PAN_FRAMES):
            left, top = (number * step * scale for step in PAN)
            box = (left, top, left + across * scale, top + down * scale)
            frames.append(tensor_from_image(image.resize((across, down), Image.Resampling.BICUBIC, box)))
        blocks = (blocks_from_rgb(torch.stack(frames)) * 255.0).round().clamp(0, 255).byte().numpy()
        flow = torch.tensor(PAN).view(1, 2, 1, 1).expand(1, 2, down, across)
        return cls(Clip(photograph.stem, blocks, "25"), [Track(flow, inside(flow))] * (PAN_FRAMES - 1))


def warping_error(clip: Clip, tracks: list[Track]) -> float:
    """Of the source or of an output, by the tracks of the source."""
    frames = rgb_frames(clip)
    errors = [
        (now - warped(before, track.flow)).square()[0][:, track.seen].mean().item()
        for (before, now), track in zip(pairwise(frames), tracks, strict=True)
        if track.seen.any()
    ]
    return float(np.mean(errors))


def seen_share(tracks: list[Track]) -> float:
    """The share of pixels that count."""
    return float(np.mean([track.seen.float().mean().item() for track in tracks]))
