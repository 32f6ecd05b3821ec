"""python -m train.measure: what models cost and how good they are, as a table (Markdown) beside each other.

Multiply-adds and bytes of activations are counted from the graphs. Time is the processor's (user and system) of ONNX Runtime
on one thread, the models in turn. Losses are on the photographs that training held back. Flicker and bitrate are on clips.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from .clips import Clip, encoded_bytes, read_clip
from .colour import blocks_from_rgb, rgb_from_blocks
from .data import list_photographs, load_painting, tensor_from_image
from .graph import GraphWriter, build, costs, is_small, put_style, widths
from .johnson import Johnson
from .loss_network import LossNetwork
from .losses import content_loss, painting_grams, style_loss
from .network import MULTIPLE, Network
from .pictures import fitted

TIMED_SIZE = (360, 640)  # height, width of the frames that are timed
CELL = 16  # pixels a side over which frames' differences are averaged
STATIC = 1.5  # a cell of the input is static where its luma differs by less levels than this
STILL = 0.4  # and still below this: what moves slowly, as an animal that breathes, is still above it


Draw = Callable[[np.ndarray], np.ndarray]  # blocks [1, 6, h, w] of samples in 0..1 -> the same


@dataclass(frozen=True)
class Model:
    """An exported model: its graph in each style."""

    name: str
    styled: dict[str, onnx.ModelProto]


def load_model(path: Path) -> Model:
    manifest = json.loads(path.read_text())
    model, styled = onnx.load(path.parent / manifest["file"]), {}
    for style in manifest["styles"]:
        put_style(model, manifest["norms"], np.fromfile(path.parent / style["vector"], "<f4"), style.get("canvas", 0.0))
        styled[style["name"]] = onnx.ModelProto()
        styled[style["name"]].CopyFrom(model)
    return Model(manifest["name"], styled)


def with_rgb_ends(network: Network) -> onnx.ModelProto:
    """The same trunk between RGB ends: twelve samples of a 2x2 block in and out (any weights: it is only timed)."""
    writer = GraphWriter()
    network.enter.conv = torch.nn.Conv2d(12, network.wide, 3, bias=False)
    network.leave = torch.nn.Conv2d(network.wide, 12, 3)
    taken_apart = writer.trunk(writer.node("SpaceToDepth", [writer.rgb("input")], blocksize=2), network)
    rgb = writer.node("DepthToSpace", [taken_apart], blocksize=2, mode="DCR")
    return writer.model("rgb-ends", writer.blocks(rgb))


def session_of(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def drawn_by(graph: onnx.ModelProto) -> Draw:
    session = session_of(graph, 0)
    return lambda blocks: session.run(["output"], {"input": blocks})[0]


def drawn_in_rgb_by(path: Path) -> Draw:
    """By somebody's network of one style on float32 RGB in 0..255, [N, 3, H, W] in and out."""
    session = session_of(onnx.load(path), 0)
    name = session.get_inputs()[0].name

    def draw(blocks: np.ndarray) -> np.ndarray:
        rgb = rgb_from_blocks(torch.from_numpy(blocks)).clamp(0.0, 1.0) * 255.0
        output = torch.from_numpy(session.run(None, {name: rgb.numpy()})[0])
        return blocks_from_rgb(output.clamp(0.0, 255.0) / 255.0).numpy()

    return draw


def times(models: dict[str, onnx.ModelProto], rounds: int) -> dict[str, list[float]]:
    """{name: milliseconds of processor time a megapixel, one number a round}. One round of warming up is left out."""
    height, width = TIMED_SIZE
    picture = np.random.default_rng(1).random((1, 6, height // 2, width // 2), np.float32)
    sessions = {name: session_of(model, 1) for name, model in models.items()}
    found: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, session in sessions.items():
            before = time.process_time()
            session.run(["output"], {"input": picture})
            if turn > 0:
                found[name].append((time.process_time() - before) * 1e9 / (height * width))
    return found


def held_back_losses(
    draw: Draw, photographs: list[Tensor], loss_network: LossNetwork, grams: dict[str, Tensor]
) -> tuple[float, float]:
    """(content loss, style loss), means over photographs [1, 3, H, W]."""
    sums = np.zeros(2)
    for photograph in photographs:
        blocks = blocks_from_rgb(photograph)
        output = torch.from_numpy(draw(blocks.numpy()))
        with torch.no_grad():
            features = loss_network(rgb_from_blocks(output).clamp(0.0, 1.0))
            content = content_loss(features, loss_network(rgb_from_blocks(blocks).clamp(0.0, 1.0)))
            painted = style_loss(features, grams, torch.zeros(1, dtype=torch.long))
        sums += content.item(), painted.item()
    content, painted = (sums / len(photographs)).tolist()
    return content, painted


def restyled(draw: Draw, clip: Clip) -> Clip:
    frames = [draw(frame[None].astype(np.float32) / np.float32(255))[0] for frame in clip.blocks]
    return replace(clip, blocks=np.floor(np.clip(np.stack(frames), 0, 1) * 255 + 0.5).astype(np.uint8))


def cell_differences(clip: Clip) -> np.ndarray:
    """[N - 1, rows, columns]: levels of luma by which each cell differs from the frame before."""
    luma = clip.blocks[:, :4].astype(np.float32)
    difference = np.abs(luma[1:] - luma[:-1]).mean(1)
    size = CELL // 2
    count, rows, columns = difference.shape
    whole = difference[:, : rows - rows % size, : columns - columns % size]
    return whole.reshape(count, rows // size, size, columns // size, size).mean((2, 4))


@dataclass(frozen=True)
class Flicker:
    """Levels of luma by which consecutive frames differ."""

    static: float  # where the input is static
    over_input: float  # that over what the input itself differs by there
    still: float  # where the input is still


def flicker(clip: Clip, output: Clip) -> Flicker:
    before, after = cell_differences(clip), cell_differences(output)
    static, still = before < STATIC, before < STILL
    own = float(after[static].mean())
    return Flicker(own, own / float(before[static].mean()), float(after[still].mean()))


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def heading(*cells: str) -> None:
    print()
    row(*cells)
    row(*["---"] * len(cells))


def print_costs(models: list[Model], rounds: int) -> None:
    graphs = {model.name: next(iter(model.styled.values())) for model in models}
    baseline = next((name for name, graph in graphs.items() if not is_small(graph)), "johnson (any weights)")
    for name, graph in list(graphs.items()):
        if is_small(graph):
            graphs[f"{name} with RGB ends (any weights)"] = with_rgb_ends(Network(1, *widths(graph)))
    graphs.setdefault(baseline, build(Johnson(1), "johnson")[0])
    found = times(graphs, rounds)
    heading("model", "multiply-adds a pixel", "bytes of activations a pixel", "ms a megapixel", "Johnson's time over it")
    for name, graph in graphs.items():
        macs, activations = costs(graph)
        ratios = sorted(slow / own for slow, own in zip(found[baseline], found[name]))
        spread = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        row(name, f"{macs:,.0f}", f"{activations:,.0f}", f"{statistics.median(found[name]):.0f}", spread)


def print_quality(models: list[Model], args: argparse.Namespace) -> None:
    loss_network = LossNetwork(args.loss_net)
    _, held_back = list_photographs(args.content, args.held_back)
    photographs = [tensor_from_image(fitted(path, args.width, MULTIPLE)).unsqueeze(0) for path in held_back]
    grams = {path.stem: painting_grams(loss_network, [load_painting(path, args.style_side)]) for path in args.style}
    clips = [read_clip(path, args.first_frame, args.frames, MULTIPLE) for path in args.clip]
    plain = [encoded_bytes(clip) for clip in clips]
    measured = ("levels of flicker", "flicker over the input's", "levels where still", "bitrate over the input's")
    heading("model", "style", "content loss", "style loss", *(f"{what}, {clip.name}" for clip in clips for what in measured))

    def quality(name: str, style: str, draw: Draw) -> list[float]:
        numbers = list(held_back_losses(draw, photographs, loss_network, grams[style]))
        for clip, size in zip(clips, plain):
            output = restyled(draw, clip)
            found = flicker(clip, output)
            numbers += found.static, found.over_input, found.still, encoded_bytes(output) / size
        row(name, style, *(f"{number:.2f}" for number in numbers))
        return numbers

    for model in models:
        rows = [quality(model.name, style, drawn_by(graph)) for style, graph in model.styled.items() if style in grams]
        row(model.name, "mean", *(f"{number:.2f}" for number in np.mean(rows, 0)))
    if args.reference:
        path, style = args.reference
        quality(Path(path).stem, style, drawn_in_rgb_by(Path(path)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.measure", description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, nargs="+", required=True, help="exported models, a baseline among them or not")
    parser.add_argument("--reference", nargs=2, metavar=("ONNX", "STYLE"), help="somebody's network on RGB in 0..255, and its painting")
    parser.add_argument("--rounds", type=int, default=7, help="of timing; 0 leaves it out")
    parser.add_argument("--style", type=Path, nargs="*", default=[], help="paintings, named as the models' styles; none: no quality")
    parser.add_argument("--content", type=Path, help="folder of photographs; the held back ones are measured on")
    parser.add_argument("--held-back", type=int, default=20)
    parser.add_argument("--loss-net", type=Path, help="SqueezeNet 1.0's weights (.npz)")
    parser.add_argument("--style-side", type=int, default=448, help="the paintings' short side in pixels")
    parser.add_argument("--width", type=int, default=320, help="the photographs' width in pixels")
    parser.add_argument("--clip", type=Path, nargs="*", default=[], help="videos to measure flicker and bitrate on")
    parser.add_argument("--first-frame", type=int, default=60)
    parser.add_argument("--frames", type=int, default=30)
    args = parser.parse_args()
    if args.style and not (args.content and args.loss_net):
        parser.error("--style needs --content and --loss-net")
    models = [load_model(path) for path in args.manifest]
    if args.rounds:
        print_costs(models, args.rounds)
    if args.style:
        print_quality(models, args)


if __name__ == "__main__":
    main()
