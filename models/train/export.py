"""python -m train.export: a checkpoint -> NAME.onnx, NAME.json (the manifest) and a vector file for each style.

The file alone draws in the first style; another style is had by putting its vector's numbers into the initializers
normK.scale and normK.shift.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from .canvas import USUAL
from .checkpoint import load_averaged
from .graph import STRENGTH, build, costs, has_canvas, put_style
from .johnson import Johnson
from .network import MULTIPLE, Network

# Largest difference, in samples of 0..1, that the written graph may have from the network it was written from.
TOLERANCE = 1e-4
TOLD_OF_STYLES = ("title", "artist", "year")


def style_vector(network: Network | Johnson, style: int) -> np.ndarray:
    """For each norm in order its scales, then its shifts; little-endian float32, [960] for `fast`."""
    norms = [module.norm for module in network.normed_convs()]
    rows = [part[style].numpy(force=True) for norm in norms for part in (norm.scale, norm.shift)]
    return np.concatenate(rows).astype("<f4")


def strength_of(network: Network | Johnson, style: int) -> float:
    """Of the style's canvas; 0 where there is none."""
    return 0.0 if isinstance(network, Johnson) else round(network.canvas[style].item(), 6)


def canvas_key(model: onnx.ModelProto, strength: float) -> dict:
    """What a manifest says of the model's canvas, if it has one: styles may have strengths of their own."""
    return {"canvas": {"initializer": STRENGTH, "strength": strength}} if has_canvas(model) else {}


def verified(model: onnx.ModelProto, norms: list[dict], network: Network | Johnson, styles: int) -> float:
    """Largest difference between ONNX Runtime's output and the network's, over all styles and two sizes.

    It ends the program where that is too much.
    """
    worst = 0.0
    for style in range(styles):
        styled = onnx.ModelProto()
        styled.CopyFrom(model)
        put_style(styled, norms, style_vector(network, style), strength_of(network, style))
        session = onnxruntime.InferenceSession(styled.SerializeToString(), providers=["CPUExecutionProvider"])
        for height, width in ((90, 160), (64, 62), (34, 300)):  # the last wider than the canvas
            blocks = torch.rand(2, 6, height, width)
            with torch.no_grad():
                expected = network(blocks, torch.full((2,), style)).numpy()
            found = session.run(["output"], {"input": blocks.numpy()})[0]
            worst = max(worst, float(np.abs(found - expected).max()))
    if not worst < TOLERANCE:
        raise SystemExit(f"the written graph differs from the network by {worst:.2g}")
    return worst


def missing_from(about: dict, styles: list[str]) -> list[str]:
    """What a manifest of these styles needs and `about` lacks."""
    told = about.get("styles", {})
    needed = [key for key in ("training", "licence") if key not in about]
    return needed + [f"styles.{name}.{key}" for name in styles for key in TOLD_OF_STYLES if key not in told.get(name, {})]


def write_all(files: dict[Path, bytes]) -> None:
    """Puts the files in place in their order, once all are written: what cannot be written leaves the old ones."""
    parts = {path: path.with_name(path.name + ".part") for path in files}
    for path, data in files.items():
        parts[path].write_bytes(data)
    for path, part in parts.items():
        os.replace(part, path)


def json_bytes(manifest: dict) -> bytes:
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.export", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--about", type=Path, required=True, help="what only people know: title, artist, year, training, licence")
    parser.add_argument("--out", type=Path, required=True, help="the folder of models")
    parser.add_argument("--name", required=True, help="of the model and its files; those of that name are replaced")
    args = parser.parse_args()

    network, state = load_averaged(args.checkpoint)
    about = json.loads(args.about.read_text())
    told = about.get("styles", {})
    if isinstance(network, Network):
        network.canvas.copy_(torch.tensor([told.get(style, {}).get("canvas", USUAL) for style in state["styles"]]))
    if missing := missing_from(about, state["styles"]):
        raise SystemExit(f"{args.about} does not say {', '.join(missing)}")
    args.out.mkdir(parents=True, exist_ok=True)
    model, norms = build(network, args.name)
    worst = verified(model, norms, network, len(state["styles"]))

    data = model.SerializeToString()
    files: dict[Path, bytes] = {}
    styles = []
    for number, style in enumerate(state["styles"]):
        vector = style_vector(network, number).tobytes()
        files[args.out / f"{args.name}-{style}.f32"] = vector
        styles.append(
            {
                "name": style,
                **{key: about["styles"][style][key] for key in TOLD_OF_STYLES},
                "vector": f"{args.name}-{style}.f32",
                "sha256": hashlib.sha256(vector).hexdigest(),
                **({"canvas": strength_of(network, number)} if has_canvas(model) else {}),
                "painting": f"paintings/{style}.jpg",
                "picture": f"pictures/{args.name}-{style}.jpg",
            }
        )
    manifest = {
        "format": 1,
        "name": args.name,
        "kind": "styles",
        "file": f"{args.name}.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "io": "i420",
        "matrix": "bt709",
        "range": "limited",
        "input": "input",
        "output": "output",
        "multiple": MULTIPLE,
        "macsPerPixel": round(costs(model)[0]),
        "parameters": sum(weight.numel() for weight in network.state_dict().values()),
        "norms": norms,
        **canvas_key(model, USUAL),
        "styles": styles,
        "training": about["training"],
        "licence": about["licence"],
    }
    write_all(files | {args.out / f"{args.name}.onnx": data, args.out / f"{args.name}.json": json_bytes(manifest)})
    print(f"step {state['step']}, {state['seconds'] / 60:.1f} minutes: {len(data)} bytes, {manifest['macsPerPixel']} multiply-adds")
    print(f"a luma pixel, {manifest['parameters']} parameters; ONNX Runtime differs from PyTorch by at most {worst:.1e}")


if __name__ == "__main__":
    main()
