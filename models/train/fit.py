"""A painting of one's own: a new vector for a trunk that stays as it is, written as a model of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx

from .data import open_image
from .export import canvas_key, json_bytes, strength_of, style_vector, verified, write_all
from .graph import build, costs, is_small, network_of, put_style
from .loop import Subject
from .network import MULTIPLE, ConditionalNorm, Network
from .pictures import QUALITY, fitted, restyle, sheet

PICTURE_WIDTH = 480


def network_of_manifest(manifest: Path) -> tuple[Network, list[str]]:
    """(the network that a manifest describes, the names of its styles)."""
    if not manifest.is_file():
        raise SystemExit(f"{manifest} does not exist: --trunk and --from take an exported manifest, as fine.json")
    described = json.loads(manifest.read_text())
    model = onnx.load(manifest.parent / described["file"])
    if not is_small(model):
        raise SystemExit(f"{manifest} does not describe a network of this program's: it has no skip.weight")
    vectors = [np.fromfile(manifest.parent / style["vector"], "<f4") for style in described["styles"]]
    canvas = [style.get("canvas", 0.0) for style in described["styles"]]
    return network_of(model, vectors, canvas), [style["name"] for style in described["styles"]]


def digest_of_manifest(manifest: Path) -> str:
    """Of all that `network_of_manifest` reads but the manifest, which says more than the network."""
    described = json.loads(manifest.read_text())
    files = [described["file"], *(style["vector"] for style in described["styles"])]
    return hashlib.sha256(b"".join(hashlib.sha256((manifest.parent / file).read_bytes()).digest() for file in files)).hexdigest()


def trunk_of(manifest: Path, styles: int, canvas: float | None = None) -> tuple[Network, dict]:
    """(the manifest's network with rows for so many styles, each the mean of the manifest's own; its architecture).

    `canvas` is the strength of their canvas, if not the mean too.
    """
    trunk, _ = network_of_manifest(manifest)
    architecture = {"network": "small", "wide": trunk.wide, "deep": trunk.deep}
    network = Network(styles, trunk.wide, trunk.deep)
    weights = trunk.state_dict()
    for name, value in network.state_dict().items():
        value.copy_(weights[name].mean(0).expand_as(value) if name.endswith((".scale", ".shift")) else weights[name])
    if canvas is not None and not trunk.canvas.any():
        raise SystemExit(f"{manifest} is a network without a canvas, so --canvas does not apply")
    network.canvas.fill_(trunk.canvas.mean().item() if canvas is None else canvas)
    for own, other in zip(network.normed_convs(), trunk.normed_convs()):
        own.norm.epsilon = other.norm.epsilon
    return network, architecture


def freeze_trunk(network: Network) -> None:
    """Leaves only the styles' scales and shifts to be trained."""
    network.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ConditionalNorm):
            module.requires_grad_(True)


def write_fitted(subject: Subject, trunk: Path, paintings: list[Path], photograph: Path, out: Path) -> None:
    """For each style NAME.onnx with its vector inside, NAME.json (the manifest), NAME.jpg (the photograph in it).

    NAME-sheet.jpg shows the photograph, the painting and the photograph in it beside each other.
    """
    described, network = json.loads(trunk.read_text()), subject.network.cpu().eval()
    model, norms = build(network, described["name"])
    verified(model, norms, network, len(subject.styles))
    for number, (name, painting) in enumerate(zip(subject.styles, paintings)):
        put_style(model, norms, style_vector(network, number), strength_of(network, number))
        data = model.SerializeToString()
        ends = {"type": "float32", "range": "0..1"}
        manifest = {
            "format": 1,
            "name": name,
            "kind": "image",
            "file": f"{name}.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "io": "i420",
            "matrix": described["matrix"],
            "range": described["range"],
            "input": {"name": "input", **ends},
            "output": {"name": "output", **ends},
            **canvas_key(model, strength_of(network, number)),
            "scale": 1,
            "multiple": MULTIPLE,
            "macsPerPixel": round(costs(model)[0]),
            "training": f"A vector fitted to {painting.name} on the trunk of {described['name']}.",
        }
        write_all({out / f"{name}.onnx": data, out / f"{name}.json": json_bytes(manifest)})
        content = fitted(photograph, PICTURE_WIDTH, MULTIPLE)
        picture = restyle(model, content)
        picture.save(out / f"{name}.jpg", quality=QUALITY)
        pictures = [("the photograph", content), (painting.name, open_image(painting).convert("RGB")), (name, picture)]
        sheet(pictures).save(out / f"{name}-sheet.jpg", quality=QUALITY)
        print(f"wrote {out / name}.onnx, .json, .jpg and {name}-sheet.jpg: framescatter in.mp4 out.mp4 --model {out / name}.onnx")
