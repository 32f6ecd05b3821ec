"""Frames of a video as the network's blocks, and how many bytes a codec needs for frames. Both by the ffmpeg program."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CRF = 23


@dataclass(frozen=True)
class Clip:
    """Consecutive frames: blocks [N, 6, h, w] of coded 8-bit samples, and frames a second as ffmpeg writes it."""

    name: str
    blocks: np.ndarray
    rate: str


def read_clip(path: Path, first: int, count: int, multiple: int) -> Clip:
    """`count` frames from number `first` on, cut at the right and bottom to a multiple of pixels."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,r_frame_rate", "-of", "json"]
    stream = json.loads(subprocess.run([*probe, str(path)], check=True, capture_output=True).stdout)["streams"][0]
    width, height = stream["width"] - stream["width"] % multiple, stream["height"] - stream["height"] % multiple
    filters = f"trim=start_frame={first}:end_frame={first + count},crop={width}:{height}:0:0,format=yuv420p"
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    raw = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8)
    frames = raw.reshape(count, height * 3 // 2, width)
    luma = frames[:, :height].reshape(count, height // 2, 2, width // 2, 2).transpose(0, 2, 4, 1, 3)
    chroma = frames[:, height:].reshape(count, 2, height // 2, width // 2)
    return Clip(path.stem, np.concatenate((luma.reshape(count, 4, height // 2, width // 2), chroma), 1), stream["r_frame_rate"])


def encoded_bytes(clip: Clip) -> int:
    """Size of the frames as H.264 of a constant rate factor (libx264, its defaults)."""
    count, _, rows, columns = clip.blocks.shape
    luma = clip.blocks[:, :4].reshape(count, 2, 2, rows, columns).transpose(0, 3, 1, 4, 2).reshape(count, -1)
    raw = np.concatenate((luma, clip.blocks[:, 4:].reshape(count, -1)), 1).tobytes()
    shape = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{2 * columns}x{2 * rows}", "-r", clip.rate, "-i", "-"]
    command = ["ffmpeg", "-v", "error", *shape, "-c:v", "libx264", "-crf", str(CRF), "-f", "h264", "-"]
    return len(subprocess.run(command, check=True, capture_output=True, input=raw).stdout)
