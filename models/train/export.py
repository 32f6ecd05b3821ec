"""python -m train.export: a checkpoint -> NAME.onnx, NAME.json (the manifest) and a vector file for each style.

The graph is written node by node and holds nothing but Pad, Conv, InstanceNormalization, Relu, Add and Resize. The file
alone draws in the first style; another style is had by putting its vector's numbers into the initializers normK.scale
and normK.shift.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .network import EPSILON, MULTIPLE, Network, NormedConv, Residual

OPSET, IR_VERSION = 17, 8
# Largest difference, in samples of 0..1, that the written graph may have from the network it was written from.
TOLERANCE = 1e-4


class GraphWriter:
    """Appends nodes; every method takes the name of its input and gives back the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.norms: list[dict] = []
        self.convs = 0
        self.constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        self.constant("scales", np.array([1, 1, 2, 2], np.float32))

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes) -> str:
        output = output or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def conv(self, x: str, conv: torch.nn.Conv2d, output: str | None = None) -> str:
        name = f"conv{self.convs}"
        self.convs += 1
        inputs = [self.node("Pad", [x, "pads"], mode="reflect"), self.constant(f"{name}.weight", conv.weight.numpy(force=True))]
        if conv.bias is not None:
            inputs.append(self.constant(f"{name}.bias", conv.bias.numpy(force=True)))
        return self.node("Conv", inputs, output, kernel_shape=[3, 3], strides=list(conv.stride))

    def normed_conv(self, x: str, module: NormedConv) -> str:
        name = f"norm{len(self.norms)}"
        scale, shift = (getattr(module.norm, part)[0].numpy(force=True) for part in ("scale", "shift"))
        inputs = [self.conv(x, module.conv), self.constant(f"{name}.scale", scale), self.constant(f"{name}.shift", shift)]
        self.norms.append({"scale": f"{name}.scale", "shift": f"{name}.shift", "channels": len(scale)})
        return self.node("InstanceNormalization", inputs, epsilon=EPSILON)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])

    def residual(self, x: str, module: Residual) -> str:
        inner = self.relu(self.normed_conv(x, module.first))
        return self.node("Add", [x, self.normed_conv(inner, module.second)])

    def double(self, x: str) -> str:
        return self.node(
            "Resize", [x, "", "scales"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )


def build(network: Network, name: str) -> tuple[onnx.ModelProto, list[dict]]:
    """(the model, the manifest's list of norms in the order in which they run)."""
    writer = GraphWriter()
    x = writer.relu(writer.normed_conv("input", network.enter))
    x = writer.relu(writer.normed_conv(x, network.down))
    for block in network.blocks:
        x = writer.residual(x, block)
    x = writer.relu(writer.normed_conv(writer.double(x), network.up))
    writer.conv(x, network.leave, "output")
    pictures = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["N", 6, "h", "w"]) for end in ("input", "output")]
    graph = helper.make_graph(writer.nodes, name, pictures[:1], pictures[1:], writer.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "framescatter"
    onnx.checker.check_model(model, full_check=True)
    return model, writer.norms


def macs_per_pixel(model: onnx.ModelProto) -> int:
    """Multiply-adds of all convolutions per luma pixel; `input` has a quarter as many places as there are luma pixels."""
    places = {"input": 0.25}
    shapes = {weight.name: tuple(weight.dims) for weight in model.graph.initializer}
    total = 0.0
    for node in model.graph.node:
        here = places[node.input[0]]
        if node.op_type == "Resize":
            here *= 4.0
        if node.op_type == "Conv":
            strides = next(attribute.ints for attribute in node.attribute if attribute.name == "strides")
            here /= strides[0] * strides[1]
            total += here * float(np.prod(shapes[node.input[1]]))
        places[node.output[0]] = here
    return round(total)


def style_vector(network: Network, style: int) -> np.ndarray:
    """For each norm in order its scales, then its shifts; little-endian float32, [960] for the network as it stands."""
    norms = [module.norm for module in network.normed_convs()]
    rows = [part[style].numpy(force=True) for norm in norms for part in (norm.scale, norm.shift)]
    return np.concatenate(rows).astype("<f4")


def put_style(model: onnx.ModelProto, norms: list[dict], vector: np.ndarray) -> None:
    """Replaces the scales and shifts in the model by a style's."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    parts = [(norm[part], norm["channels"]) for norm in norms for part in ("scale", "shift")]
    if sum(channels for _, channels in parts) != len(vector):
        raise ValueError(f"the vector has {len(vector)} numbers")
    for name, channels in parts:
        weights[name].CopyFrom(numpy_helper.from_array(vector[:channels].astype(np.float32), name))
        vector = vector[channels:]


def verify(model: onnx.ModelProto, norms: list[dict], network: Network, styles: int) -> float:
    """Largest difference between ONNX Runtime's output and the network's, over all styles and two sizes."""
    import onnxruntime

    worst = 0.0
    for style in range(styles):
        styled = onnx.ModelProto()
        styled.CopyFrom(model)
        put_style(styled, norms, style_vector(network, style))
        session = onnxruntime.InferenceSession(styled.SerializeToString(), providers=["CPUExecutionProvider"])
        for height, width in ((90, 160), (64, 62)):
            blocks = torch.rand(2, 6, height, width)
            with torch.no_grad():
                expected = network(blocks, torch.full((2,), style)).numpy()
            found = session.run(["output"], {"input": blocks.numpy()})[0]
            worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def load(checkpoint: Path) -> tuple[Network, dict]:
    """(the network with its averaged weights, the checkpoint)."""
    state = torch.load(checkpoint, map_location="cpu")
    network = Network(len(state["styles"]))
    network.load_state_dict(state["average"])
    return network.eval(), state


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.export", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--about", type=Path, required=True, help="what only people know: title, artist, year, training, licence")
    parser.add_argument("--out", type=Path, required=True, help="the folder of models")
    parser.add_argument("--name", default="fast")
    args = parser.parse_args()

    network, state = load(args.checkpoint)
    about = json.loads(args.about.read_text())
    model, norms = build(network, args.name)
    worst = verify(model, norms, network, len(state["styles"]))
    if not worst < TOLERANCE:
        raise SystemExit(f"the written graph differs from the network by {worst:.2g}")

    data = model.SerializeToString()
    (args.out / f"{args.name}.onnx").write_bytes(data)
    styles = []
    for number, style in enumerate(state["styles"]):
        vector = style_vector(network, number).tobytes()
        (args.out / f"{args.name}-{style}.f32").write_bytes(vector)
        styles.append(
            {
                "name": style,
                **{key: about["styles"][style][key] for key in ("title", "artist", "year")},
                "vector": f"{args.name}-{style}.f32",
                "sha256": hashlib.sha256(vector).hexdigest(),
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
        "macsPerPixel": macs_per_pixel(model),
        "parameters": sum(weight.numel() for weight in network.state_dict().values()),
        "norms": norms,
        "styles": styles,
        "training": about["training"],
        "licence": about["licence"],
    }
    (args.out / f"{args.name}.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    print(f"step {state['step']}, {state['seconds'] / 60:.1f} minutes: {len(data)} bytes, {manifest['macsPerPixel']} multiply-adds")
    print(f"a luma pixel, {manifest['parameters']} parameters; ONNX Runtime differs from PyTorch by at most {worst:.1e}")


if __name__ == "__main__":
    main()
