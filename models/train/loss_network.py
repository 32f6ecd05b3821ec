"""SqueezeNet 1.0 (Iandola et al. 2016) up to fire8, frozen: the features that the losses compare."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The preprocessing of an .npz is Caffe's: BGR, 0..255, less these means.
MEANS_BGR = (104.0, 117.0, 123.0)
# That of torchvision's file: RGB, 0..1, less these means, over these deviations.
TORCH_MEANS, TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TORCH_FILE = "squeezenet1_0-*.pth"
# Where torchvision's `features` has each layer; activations and pools lie between them.
TORCH_PLACES = {"conv1": 0, "fire2": 3, "fire3": 4, "fire4": 5, "fire5": 7, "fire6": 8, "fire7": 9, "fire8": 10}
POOL_AFTER = ("conv1", "fire4")
FIRES = tuple(f"fire{number}" for number in range(2, 9))
LAST_LAYER = FIRES[-1]
PARTS = {"squeeze1x1": "squeeze", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}  # ours: torchvision's
CONVS = ("conv1", *(f"{fire}/{part}" for fire in FIRES for part in PARTS))
WEIGHTS = tuple(f"{conv}.{kind}" for conv in CONVS for kind in ("weight", "bias"))
CONV1 = (96, 3, 7, 7)  # of 1.0; that of 1.1 is another
UNREADABLE = (OSError, KeyError, TypeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)

NOT_FOUND = (
    "no loss network to judge pictures by: pip install torchvision, which fetches SqueezeNet's weights (5 MB) once, "
    f"or give them by --loss-net: torchvision's file {TORCH_FILE}, or an .npz"
)


def read_npz(path: Path) -> tuple[dict[str, Tensor], Tensor]:
    """({"conv1.weight": ...}, means [3]) for RGB in 0..1 less the means."""
    with np.load(path) as arrays:
        weights = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
    weights["conv1.weight"] = weights["conv1.weight"].flip(1) * 255.0
    return weights, torch.tensor(MEANS_BGR[::-1]) / 255.0


def from_torchvision(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """The same of torchvision's squeezenet1_0."""
    weights = {}
    for layer, place in TORCH_PLACES.items():
        parts = {layer: f"features.{place}"} if layer == "conv1" else {f"{layer}/{own}": f"features.{place}.{part}" for own, part in PARTS.items()}
        for own, part in parts.items():
            weights |= {f"{own}.{kind}": state[f"{part}.{kind}"].float() for kind in ("weight", "bias")}
    weights["conv1.weight"] = weights["conv1.weight"] / torch.tensor(TORCH_DEVIATIONS).view(1, 3, 1, 1)
    return weights, torch.tensor(TORCH_MEANS)


def found_by_torchvision() -> dict[str, Tensor]:
    """Its weights out of PyTorch's cache, or by torchvision, which fetches them once. Ends the program where there is neither."""
    cached = sorted(Path(torch.hub.get_dir(), "checkpoints").glob(TORCH_FILE))
    if cached:
        return torch.load(cached[0], map_location="cpu", weights_only=True)
    try:
        from torchvision.models import SqueezeNet1_0_Weights
    except ImportError:
        raise SystemExit(NOT_FOUND) from None
    try:
        return SqueezeNet1_0_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise SystemExit(f"torchvision could not fetch SqueezeNet's weights ({error}): give its file, {TORCH_FILE}, by --loss-net") from None


def read_weights(path: Path | None) -> tuple[dict[str, Tensor], Tensor]:
    """As `read_npz`, of either kind of file; None for what torchvision has or fetches. Ends the program where it holds others."""
    if path is not None and not path.is_file():
        raise SystemExit(f"{path} is no file: --loss-net takes SqueezeNet 1.0's weights, torchvision's {TORCH_FILE} or an .npz")
    try:
        if path is not None and path.suffix == ".npz":
            weights, means = read_npz(path)
        else:
            state = found_by_torchvision() if path is None else torch.load(path, map_location="cpu", weights_only=True)
            weights, means = from_torchvision(state)
        if weights["conv1.weight"].shape == CONV1 and all(name in weights for name in WEIGHTS):
            return weights, means
    except UNREADABLE:
        pass
    raise SystemExit(f"{path or TORCH_FILE} does not hold SqueezeNet 1.0's weights: --loss-net takes torchvision's file or an .npz")


class LossNetwork(nn.Module):
    """RGB [N, 3, H, W] in 0..1 -> {layer: features after its ReLU}."""

    def __init__(self, path: Path | None) -> None:
        """`path` is an .npz or torchvision's file; None for what torchvision has or fetches."""
        super().__init__()
        weights, means = read_weights(path)
        for name in WEIGHTS:
            self.register_buffer(self._key(name), weights[name], persistent=False)
        self.register_buffer("means", means.view(1, 3, 1, 1), persistent=False)

    @staticmethod
    def _key(name: str) -> str:
        return name.replace("/", "_").replace(".", "_")

    def _conv(self, x: Tensor, name: str, **options: int) -> Tensor:
        return F.relu(F.conv2d(x, getattr(self, self._key(name + ".weight")), getattr(self, self._key(name + ".bias")), **options))

    def forward(self, rgb: Tensor, last: str = LAST_LAYER) -> dict[str, Tensor]:
        """Features of conv1, fire2 ... `last`; conv1 at half the input's size, fire2.. at a quarter, fire5.. at an eighth."""
        # Channels last halves the time here on a CPU: pooling, and the Gram matrices' products of channels.
        x = (rgb - self.means).contiguous(memory_format=torch.channels_last)
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
