"""python -m train.calibrate: the ranges that an exported model's convolutions need to run in int8, measured on photographs.

Of every convolution in a residual block (three quarters of the multiply-adds): the least and the greatest value of each channel
that goes in and of each that comes out. They lie in NAME.ranges.f32, a row of little-endian float32 for each style: for each
convolution the inputs' least values, their greatest, the outputs' least, their greatest.
The manifest's key `int8` names that file. framescatter quantises the weights itself when it composes a graph.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch

from .colour import blocks_from_rgb
from .content import HELD_BACK, divided, photographs_of
from .data import tensor_from_image
from .export import json_bytes, write_all
from .graph import put_style
from .network import MULTIPLE
from .pictures import fitted

WIDTH = 320  # of the photographs in pixels
# Added to a range at either end, as a share of it: what is clipped shows sooner than coarser steps.
MARGIN = 0.1
# Some photographs with other contrast, about a grey: frames of next to nothing, and harsh ones, lie elsewhere.
CONTRASTS = tuple((contrast, grey) for contrast in (0.3, 0.1, 0.03, 0.0) for grey in (0.0, 0.5, 1.0)) + ((1.7, 0.5),) * 16


@dataclass(frozen=True)
class QuantisedConv:
    """A convolution that may run in int8: names of its weights and of the tensors before it (unpadded) and behind it."""

    weight: str
    inputs: int
    outputs: int
    before: str
    behind: str

    def described(self) -> dict:
        return {"weight": self.weight, "inputs": self.inputs, "outputs": self.outputs}


def quantised_convs(model: onnx.ModelProto) -> list[QuantisedConv]:
    """The convolutions of the residual blocks: those that a norm follows, but for the first two and the last.

    In `fast` eight bits there cost more than they gain: the last of them (`up`) lost 6 dB, the second 4 dB on soft gradients.
    """
    maker = {output: node for node in model.graph.node for output in node.output}
    shapes = {weight.name: weight.dims for weight in model.graph.initializer}
    convs = [maker[node.input[0]] for node in model.graph.node if node.op_type == "InstanceNormalization"]
    return [
        QuantisedConv(conv.input[1], shapes[conv.input[1]][1], shapes[conv.input[1]][0], maker[conv.input[0]].input[0], conv.output[0])
        for conv in convs[2:-1]
    ]


def calibration_pictures(paths: list[Path], count: int) -> list[np.ndarray]:
    """[1, 6, h, w] each: `count` of the photographs, evenly spread, some of them in other contrasts too."""
    chosen = [tensor_from_image(fitted(paths[at * len(paths) // count], WIDTH, MULTIPLE)) for at in range(count)]
    changed = [(chosen[at % count] - grey) * contrast + grey for at, (contrast, grey) in enumerate(CONTRASTS)]
    pictures = [rgb.clamp(0.0, 1.0).unsqueeze(0) for rgb in (*chosen, *changed)]
    return [((blocks_from_rgb(rgb) * 255.0).round() / 255.0).numpy() for rgb in pictures]


def ranges(model: onnx.ModelProto, pictures: list[np.ndarray]) -> np.ndarray:
    """A row of the file: over all pictures the least and the greatest value of each channel, with a margin."""
    convs = quantised_convs(model)
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    names = list(dict.fromkeys(name for conv in convs for name in (conv.before, conv.behind)))
    observed.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(observed.SerializeToString(), providers=["CPUExecutionProvider"])
    least: dict[str, np.ndarray] = {}
    greatest: dict[str, np.ndarray] = {}
    for picture in pictures:
        for name, value in zip(names, session.run(names, {"input": picture})):
            low, high = value.min((0, 2, 3)), value.max((0, 2, 3))
            least[name] = np.minimum(least.get(name, low), low)
            greatest[name] = np.maximum(greatest.get(name, high), high)
    parts = []
    for name in (name for conv in convs for name in (conv.before, conv.behind)):
        margin = MARGIN * (greatest[name] - least[name])
        low = np.where(least[name] >= 0.0, np.float32(0), least[name] - margin)  # ReLU gives nothing below 0
        parts += low, greatest[name] + margin
    return np.concatenate(parts).astype("<f4")


def write_ranges(manifest: Path, styled: list[onnx.ModelProto], pictures: list[np.ndarray]) -> None:
    """Writes the file beside the manifest, a row for each model, and what the manifest says of it."""
    described = json.loads(manifest.read_text())
    data = np.concatenate([ranges(model, pictures) for model in styled]).tobytes()
    file = manifest.with_suffix(".ranges.f32")
    described["int8"] = {
        "file": file.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "convolutions": [conv.described() for conv in quantised_convs(styled[0])],
    }
    write_all({file: data, manifest: json_bytes(described)})
    print(f"wrote {file}: {len(data)} bytes, measured on {len(pictures)} pictures in {len(styled)} styles")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, required=True, help="an exported model, of styles or fitted to one painting")
    parser.add_argument("--content", type=Path, nargs="+", required=True, help="what it was trained on: videos, photographs, folders of them")
    parser.add_argument("--held-back", type=int, help=f"photographs, the last ones, left to judge by ({HELD_BACK}; of a fitted one the middle one)")
    parser.add_argument("--pictures", type=int, default=64, help="photographs to measure on")
    args = parser.parse_args()
    described = json.loads(args.manifest.read_text())
    model, styled = onnx.load(args.manifest.parent / described["file"]), []
    for style in described.get("styles", [None]):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        if style is not None:
            put_style(copy, described["norms"], np.fromfile(args.manifest.parent / style["vector"], "<f4"), style.get("canvas", 0.0))
        styled.append(copy)
    with TemporaryDirectory(prefix="frames-") as scratch, torch.no_grad():
        paths, _ = divided(photographs_of(args.content, Path(scratch)), args.held_back, "styles" not in described)
        pictures = calibration_pictures(paths, args.pictures)
    write_ranges(args.manifest, styled, pictures)


if __name__ == "__main__":
    main()
