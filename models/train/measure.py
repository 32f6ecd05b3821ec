"""python -m train.measure: what models cost and how good they are, as tables (Markdown) beside each other.

- Multiply-adds and bytes of activations are counted from the graphs. Time is the processor's (user and system) of ONNX Runtime
  on one thread, the models in turn.
- Losses and coverage (see coverage.py) are on the photographs that training held back.
- Flicker, bitrate and the warping error (see warping.py) are on clips; the warping error also on pans over photographs.
- Gatys et al.'s optimised pixels (see gatys.py) are compared on one photograph.
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
from .coverage import PaintedPatches, plain_patches
from .data import list_photographs, load_painting, tensor_from_image
from .gatys import optimised
from .graph import GraphWriter, build, costs, is_small, put_style, widths
from .johnson import Johnson
from .loss_network import LossNetwork
from .losses import content_loss, painting_grams, style_loss
from .network import MULTIPLE, Network
from .pictures import fitted
from .warping import Pan, seen_share, tracks_of, warping_error

TIMED_SIZE = (360, 640)  # height, width of the frames that are timed
CELL = 16  # pixels a side over which frames' differences are averaged
STATIC = 1.5  # a cell of the input is static where its luma differs by less levels than this
STILL = 0.4  # and still below this: what moves slowly, as an animal that breathes, is still above it
MOSTLY_PLAIN = 1.0 / 3.0  # of a photograph's patches, above which it is one of --plain's


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


@dataclass(frozen=True)
class Judge:
    """What outputs are judged by, in each style."""

    network: LossNetwork
    grams: dict[str, dict[str, Tensor]]
    patches: dict[str, PaintedPatches]

    @classmethod
    def of(cls, network: LossNetwork, paintings: dict[str, Tensor]) -> Judge:
        """Paintings [1, 3, H, W] in 0..1."""
        grams = {style: painting_grams(network, [painting]) for style, painting in paintings.items()}
        return cls(network, grams, {style: PaintedPatches.of(network, painting) for style, painting in paintings.items()})

    def losses(self, style: str, outputs: list[Tensor], photographs: list[Tensor]) -> list[float]:
        """[content loss, style loss]: means over photographs [1, 3, H, W] in 0..1 and their outputs."""
        sums = np.zeros(2)
        with torch.no_grad():
            for output, photograph in zip(outputs, photographs):
                features = self.network(output)
                content = content_loss(features, self.network(through_i420(photograph)))
                sums += content.item(), style_loss(features, self.grams[style], torch.zeros(1, dtype=torch.long)).item()
        return (sums / len(photographs)).tolist()

    def coverage(self, style: str, outputs: list[Tensor], plain: list[Tensor]) -> list[float]:
        found = self.patches[style].coverage(self.network, outputs, plain)
        return [found.all, found.plain, found.variety]


def through_i420(rgb: Tensor) -> Tensor:
    """[N, 3, H, W] in 0..1 with the chroma that a frame keeps."""
    return rgb_from_blocks(blocks_from_rgb(rgb)).clamp(0.0, 1.0)


def drawn(draw: Draw, photographs: list[Tensor]) -> list[Tensor]:
    """RGB [1, 3, H, W] in 0..1 in and out."""
    outputs = (torch.from_numpy(draw(blocks_from_rgb(photograph).numpy())) for photograph in photographs)
    return [rgb_from_blocks(output).clamp(0.0, 1.0) for output in outputs]


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
    print("| " + " | ".join("-" if str(cell) == "nan" else str(cell) for cell in cells) + " |", flush=True)


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


@dataclass(frozen=True)
class Group:
    """A model's styles, which are measured one by one; a row of means follows where there are several."""

    name: str
    draws: dict[str, Draw]


def groups_of(models: list[Model], styles: list[str], reference: list[str] | None) -> list[Group]:
    groups = [Group(model.name, {style: drawn_by(graph) for style, graph in model.styled.items() if style in styles}) for model in models]
    if reference and reference[1] in styles:
        groups.append(Group(Path(reference[0]).stem, {reference[1]: drawn_in_rgb_by(Path(reference[0]))}))
    return groups


def print_groups(groups: list[Group], measure: Callable[[str, Draw], list[float]]) -> None:
    for group in groups:
        rows = []
        for style, draw in group.draws.items():
            rows.append(measure(style, draw))
            row(group.name, style, *(f"{number:.2f}" for number in rows[-1]))
        if len(rows) > 1:
            row(group.name, "mean", *(f"{number:.2f}" for number in np.mean(rows, 0)))


def print_photographs(groups: list[Group], judge: Judge, photographs: list[Tensor], more: list[Tensor], gatys_steps: int = 0) -> None:
    """Losses on the photographs; coverage on these and on `more` of them. Gatys et al. in so many steps."""
    plain = [plain_patches(photograph) for photograph in photographs + more]
    share = torch.cat(plain).float().mean().item()
    heading("model", "style", "content loss", "style loss", "coverage", f"where plain ({share:.0%})", "variety")

    def judged(style: str, outputs: list[Tensor]) -> list[float]:
        return judge.losses(style, outputs[: len(photographs)], photographs) + judge.coverage(style, outputs, plain)

    for style in judge.grams:
        row("(the photographs)", style, *(f"{number:.2f}" for number in judged(style, photographs + more)))
    print_groups(groups, lambda style, draw: judged(style, drawn(draw, photographs + more)))
    if gatys_steps:
        for style, grams in judge.grams.items():
            outputs = [optimised(judge.network, photograph, grams, gatys_steps) for photograph in photographs]
            row(f"Gatys et al., {gatys_steps} steps", style, *(f"{number:.2f}" for number in judged(style, outputs)))


def print_clip(groups: list[Group], clip: Clip) -> None:
    size, tracks = encoded_bytes(clip), tracks_of(clip)
    still = flicker(clip, clip)
    error = warping_error(clip, tracks)
    measured = ("levels of flicker", "over the input's", "levels where still", "bitrate over the input's")
    heading(f"{clip.name}: model", "style", *measured, "warping error x 1000", "over the input's")
    row(f"(the input; {seen_share(tracks):.0%} of its pixels count)", "", *(f"{number:.2f}" for number in (still.static, 1, still.still, 1, 1e3 * error, 1)))

    def measure(_: str, draw: Draw) -> list[float]:
        output = restyled(draw, clip)
        found, own = flicker(clip, output), warping_error(output, tracks)
        return [found.static, found.over_input, found.still, encoded_bytes(output) / size, 1e3 * own, own / error]

    print_groups(groups, measure)


def print_pans(groups: list[Group], pans: list[Pan]) -> None:
    def error(draw: Draw | None) -> float:
        return 1e3 * float(np.mean([warping_error(restyled(draw, pan.clip) if draw else pan.clip, pan.tracks) for pan in pans]))

    own = error(None)
    heading("pans: model", "style", "warping error x 1000", "over the input's")
    row("(the input)", "", f"{own:.2f}", "1.00")
    print_groups(groups, lambda _, draw: [found := error(draw), found / own])


def print_quality(models: list[Model], args: argparse.Namespace) -> None:
    network = LossNetwork(args.loss_net)
    judge = Judge.of(network, {path.stem: load_painting(path, args.style_side) for path in args.style})
    groups = groups_of(models, list(judge.grams), args.reference)

    def loaded(path: Path, width: int) -> Tensor:
        return tensor_from_image(fitted(path, width, MULTIPLE)).unsqueeze(0)

    _, held_back = list_photographs(args.content, args.held_back)
    plain = [loaded(path, args.width) for path in list_photographs(args.plain, 0)[0]] if args.plain else []
    more = [photograph for photograph in plain if plain_patches(photograph).float().mean() > MOSTLY_PLAIN]
    print_photographs(groups, judge, [loaded(path, args.width) for path in held_back], more)
    if args.gatys:
        print_photographs(groups, judge, [loaded(args.gatys, args.gatys_width)], [], args.gatys_steps)
    if args.pans:
        chosen = [held_back[at * len(held_back) // args.pans] for at in range(args.pans)]
        print_pans(groups, [Pan.over(path, args.width, MULTIPLE) for path in chosen])
    for path in args.clip:
        print_clip(groups, read_clip(path, args.first_frame, args.frames, MULTIPLE))


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
    parser.add_argument("--plain", type=Path, help="folder of more photographs for coverage: those more than a third of which is plain")
    parser.add_argument("--gatys", type=Path, metavar="PHOTOGRAPH", help="compare with Gatys et al. on this photograph")
    parser.add_argument("--gatys-steps", type=int, default=200, help="of L-BFGS")
    parser.add_argument("--gatys-width", type=int, default=288, help="the photograph's width in pixels there")
    parser.add_argument("--pans", type=int, default=8, help="held-back photographs to pan over; 0 leaves it out")
    parser.add_argument("--clip", type=Path, nargs="*", default=[], help="videos to measure flicker and bitrate on (needs opencv-python-headless)")
    parser.add_argument("--first-frame", type=int, default=60)
    parser.add_argument("--frames", type=int, default=30)
    args = parser.parse_args()
    if not 0 <= args.pans <= args.held_back:
        parser.error("--pans must not be more than --held-back")
    if args.style and not (args.content and args.loss_net):
        parser.error("--style needs --content and --loss-net")
    models = [load_model(path) for path in args.manifest]
    if args.rounds:
        print_costs(models, args.rounds)
    if args.style:
        print_quality(models, args)


if __name__ == "__main__":
    main()
