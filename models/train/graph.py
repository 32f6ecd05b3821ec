"""Networks written as ONNX graphs, node by node, of nothing but Pad, Conv, InstanceNormalization, Relu, Add and Resize
(and DepthToSpace and SpaceToDepth where a network works on RGB; and what cuts the canvas to a frame's size, once)."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .canvas import PERIOD, STEP
from .colour import blocks_from_rgb, rgb_from_blocks
from .johnson import Johnson
from .network import Network, NormedConv, Residual

OPSET, IR_VERSION = 17, 8
STRENGTH = "canvas.strength"  # the initializer, a number


class GraphWriter:
    """Appends nodes; every method takes the name of its input and gives back the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.norms: list[dict] = []
        self.convs = 0

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes) -> str:
        output = output or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def conv(self, x: str, conv: torch.nn.Conv2d) -> str:
        name, size = f"conv{self.convs}", conv.kernel_size[0]
        self.convs += 1
        border = [0, 0, size // 2, size // 2]
        pads = self.constant(f"pads{size // 2}", np.array(border * 2, np.int64))
        inputs = [self.node("Pad", [x, pads], mode="reflect"), self.constant(f"{name}.weight", conv.weight.numpy(force=True))]
        if conv.bias is not None:
            inputs.append(self.constant(f"{name}.bias", conv.bias.numpy(force=True)))
        return self.node("Conv", inputs, kernel_shape=[size, size], strides=list(conv.stride))

    def pointwise(self, x: str, name: str, weight: np.ndarray, bias: np.ndarray | None = None) -> str:
        """A 1x1 convolution: weight [outputs, inputs], bias [outputs]."""
        inputs = [x, self.constant(f"{name}.weight", weight[:, :, None, None].astype(np.float32))]
        if bias is not None:
            inputs.append(self.constant(f"{name}.bias", bias.astype(np.float32)))
        return self.node("Conv", inputs, kernel_shape=[1, 1], strides=[1, 1])

    def canvas(self, x: str, network: Network) -> str:
        """What the first convolution, whose weights are there, gives of the canvas under `x`: the same for every frame."""

        def number(name: str, value: int | float, kind: type) -> str:
            return self.constant(f"canvas.{name}", np.array(value, kind))

        shape = self.node("Shape", [x], "canvas.shape")
        window = self.constant("canvas.steps", network.steps.numpy(force=True))
        for axis, side in ((2, "rows"), (3, "columns")):
            size = self.node("Gather", [shape, number(f"{side}.axis", axis, np.int64)], f"canvas.{side}.count", axis=0)
            end = self.node("Add", [size, number("one", 1, np.int64)], f"canvas.{side}.end")
            places = self.node("Range", [number("first", -1, np.int64), end, "canvas.one"], f"canvas.{side}.places")
            places = self.node("Mod", [places, number("period", PERIOD, np.int64)], f"canvas.{side}")
            window = self.node("Gather", [window, places], f"canvas.{side}.window", axis=axis)
        window = self.node("Cast", [window], "canvas.float", to=TensorProto.FLOAT)
        window = self.node("Mul", [window, number("step", STEP, np.float32)], "canvas.field")
        window = self.node("Mul", [window, self.constant(STRENGTH, network.canvas[0].numpy(force=True))], "canvas.window")
        return self.node("Conv", [window, "conv0.weight"], "canvas.conv", kernel_shape=[3, 3], strides=[1, 1])

    def normed_conv(self, x: str, module: NormedConv, under: Network | None = None) -> str:
        """`under` is the network whose canvas is added to what the convolution gives."""
        name = f"norm{len(self.norms)}"
        scale, shift = (getattr(module.norm, part)[0].numpy(force=True) for part in ("scale", "shift"))
        convolved = self.conv(x, module.conv)
        if under is not None:
            convolved = self.node("Add", [convolved, self.canvas(x, under)])
        inputs = [convolved, self.constant(f"{name}.scale", scale), self.constant(f"{name}.shift", shift)]
        self.norms.append({"scale": f"{name}.scale", "shift": f"{name}.shift", "channels": len(scale)})
        return self.node("InstanceNormalization", inputs, epsilon=module.norm.epsilon)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])

    def residual(self, x: str, module: Residual) -> str:
        inner = self.relu(self.normed_conv(x, module.first))
        return self.node("Add", [x, self.normed_conv(inner, module.second)])

    def double(self, x: str) -> str:
        inputs = [x, "", self.constant("scales", np.array([1, 1, 2, 2], np.float32))]
        return self.node("Resize", inputs, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def trunk(self, x: str, network: Network) -> str:
        """All of the network but its skip."""
        x = self.relu(self.normed_conv(x, network.enter, network if network.canvas.any() else None))
        x = self.relu(self.normed_conv(x, network.down))
        for block in network.blocks:
            x = self.residual(x, block)
        x = self.relu(self.normed_conv(self.double(x), network.up))
        return self.conv(x, network.leave)

    def johnson(self, x: str, network: Johnson) -> str:
        """RGB [N, 3, H, W] to RGB."""
        x = self.relu(self.normed_conv(x, network.enter))
        for down in network.downs:
            x = self.relu(self.normed_conv(x, down))
        for block in network.blocks:
            x = self.residual(x, block)
        for up in network.ups:
            x = self.relu(self.normed_conv(self.double(x), up))
        return self.conv(x, network.leave)

    def rgb(self, blocks: str) -> str:
        """[N, 6, h, w] blocks -> [N, 3, H, W]: each block's four pixels by one convolution, then taken apart."""
        probes = torch.cat((torch.zeros(1, 6), torch.eye(6)))[:, :, None, None]
        found = rgb_from_blocks(probes).permute(0, 2, 3, 1).flatten(1).double().numpy()  # [7, 12]: row, column, channel
        return self.node(
            "DepthToSpace", [self.pointwise(blocks, "decode", (found[1:] - found[0]).T, found[0])], blocksize=2, mode="DCR"
        )

    def blocks(self, rgb: str) -> str:
        """[N, 3, H, W] -> [N, 6, h, w] blocks."""
        probes = torch.cat((torch.zeros(1, 12), torch.eye(12))).view(13, 2, 2, 3).permute(0, 3, 1, 2)
        found = blocks_from_rgb(probes).flatten(1).double().numpy()  # [13, 6]
        return self.pointwise(self.node("SpaceToDepth", [rgb], blocksize=2), "encode", (found[1:] - found[0]).T, found[0])

    def model(self, name: str, output: str) -> onnx.ModelProto:
        """The whole: [N, 6, h, w] `input` to the node that made `output`, which is renamed so."""
        self.nodes[-1].output[0] = "output"
        assert self.nodes[-1].name == output
        pictures = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["N", 6, "h", "w"]) for end in ("input", "output")]
        graph = helper.make_graph(self.nodes, name, pictures[:1], pictures[1:], list(self.weights.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "framescatter"
        onnx.checker.check_model(model, full_check=True)
        return model


def build(network: Network | Johnson, name: str) -> tuple[onnx.ModelProto, list[dict]]:
    """(the model, drawing in the first style; the manifest's list of norms in the order in which they run)."""
    writer = GraphWriter()
    if isinstance(network, Johnson):
        last = writer.blocks(writer.johnson(writer.rgb("input"), network))
    else:
        skipped = writer.pointwise("input", "skip", network.skip.weight[:, :, 0, 0].numpy(force=True))
        last = writer.node("Add", [writer.trunk("input", network), skipped])
    return writer.model(name, last), writer.norms


def is_small(model: onnx.ModelProto) -> bool:
    """Whether the model is one that `build` wrote for a Network."""
    return any(weight.name == "skip.weight" for weight in model.graph.initializer)


def widths(model: onnx.ModelProto) -> tuple[int, int]:
    """(channels at half, at a quarter of the resolution) of the Network that `build` wrote the model for."""
    shapes = {weight.name: weight.dims for weight in model.graph.initializer}
    return shapes["conv0.weight"][0], shapes["conv1.weight"][0]


def has_canvas(model: onnx.ModelProto) -> bool:
    return any(weight.name == STRENGTH for weight in model.graph.initializer)


def network_of(model: onnx.ModelProto, vectors: list[np.ndarray], canvas: list[float]) -> Network:
    """The network that `build` wrote the model for, a style for each of the vectors and strengths of the canvas."""
    weights = {weight.name: torch.from_numpy(numpy_helper.to_array(weight).copy()) for weight in model.graph.initializer}
    norms = [node for node in model.graph.node if node.op_type == "InstanceNormalization"]
    network = Network(len(vectors), *widths(model))
    rows = torch.from_numpy(np.stack(vectors).astype(np.float32))
    with torch.no_grad():
        for number, (module, norm) in enumerate(zip(network.normed_convs(), norms, strict=True)):
            module.norm.epsilon = norm.attribute[0].f
            module.conv.weight.copy_(weights[f"conv{number}.weight"])
            for part in (module.norm.scale, module.norm.shift):
                part.copy_(rows[:, : part.shape[1]])
                rows = rows[:, part.shape[1] :]
        last = len(network.normed_convs())
        network.leave.weight.copy_(weights[f"conv{last}.weight"])
        network.leave.bias.copy_(weights[f"conv{last}.bias"])
        network.skip.weight.copy_(weights["skip.weight"])
        network.canvas.copy_(torch.tensor(canvas))
    return network


def put_style(model: onnx.ModelProto, norms: list[dict], vector: np.ndarray, canvas: float) -> None:
    """Replaces the scales and shifts in the model by a style's, and the strength of its canvas if it has one."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    if STRENGTH in weights:
        weights[STRENGTH].CopyFrom(numpy_helper.from_array(np.array(canvas, np.float32), STRENGTH))
    parts = [(norm[part], norm["channels"]) for norm in norms for part in ("scale", "shift")]
    if sum(channels for _, channels in parts) != len(vector):
        raise ValueError(f"the vector has {len(vector)} numbers")
    for name, channels in parts:
        weights[name].CopyFrom(numpy_helper.from_array(vector[:channels].astype(np.float32), name))
        vector = vector[channels:]


def without_canvas(model: onnx.ModelProto) -> onnx.ModelProto:
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    nodes = [node for node in bare.graph.node if not node.name.startswith("canvas.")]
    for node in nodes:
        if node.op_type == "Add" and node.input[1] == "canvas.conv":
            node.op_type = "Identity"
            del node.input[1]
    del bare.graph.node[:]
    bare.graph.node.extend(nodes)
    return bare


def costs(model: onnx.ModelProto) -> tuple[float, float]:
    """(multiply-adds of all convolutions, bytes of all nodes' outputs), both for a luma pixel of one frame.

    The canvas is left out: it is worked out once, not for every frame.
    """
    side = 256
    sized = without_canvas(model)
    for size, place in zip((1, 6, side, side), sized.graph.input[0].type.tensor_type.shape.dim):
        place.dim_value = size
    graph = onnx.shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True).graph
    shapes = {weight.name: list(weight.dims) for weight in graph.initializer}
    for info in (*graph.value_info, *graph.output):
        shapes[info.name] = [place.dim_value for place in info.type.tensor_type.shape.dim]
    macs = activations = 0.0
    for node in graph.node:
        size = float(np.prod(shapes[node.output[0]]))
        activations += 4.0 * size
        if node.op_type == "Conv":
            macs += size * float(np.prod(shapes[node.input[1]][1:]))
    return macs / (2 * side) ** 2, activations / (2 * side) ** 2
