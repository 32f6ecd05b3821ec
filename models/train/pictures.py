"""python -m train.pictures: one photograph in every style of an exported model, and a sheet of them beside the paintings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image, ImageDraw, ImageOps

from .colour import blocks_from_rgb, rgb_from_blocks
from .data import tensor_from_image
from .graph import put_style

QUALITY = 82
COLUMNS, TILE = 4, 300  # the sheet's columns, and their width in pixels
LABEL, GAP = 20, 4  # height of a label and distance of two columns in pixels


def fitted(path: Path, width: int, multiple: int) -> Image.Image:
    """The photograph at `width` pixels, cut so that both sides are a multiple."""
    image = Image.open(path).convert("RGB")
    image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    return image.crop((0, 0, image.width - image.width % multiple, image.height - image.height % multiple))


def restyle(model: onnx.ModelProto, content: Image.Image) -> Image.Image:
    """Runs the model as a video would: the coded samples are rounded to 8 bits before and after."""
    blocks = blocks_from_rgb(tensor_from_image(content).unsqueeze(0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    output = torch.from_numpy(session.run(["output"], {"input": (blocks * 255.0).round().numpy() / 255.0})[0])
    rgb = rgb_from_blocks((output.clamp(0.0, 1.0) * 255.0).round() / 255.0).clamp(0.0, 1.0)[0]
    return Image.fromarray((rgb * 255.0).round().byte().permute(1, 2, 0).numpy())


def sheet(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures in rows, all cut and made smaller to the first one's shape, each with its label below."""
    width, height = TILE, round(pictures[0][1].height * TILE / pictures[0][1].width)
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + LABEL)), "white")
    draw = ImageDraw.Draw(whole)
    for number, (label, picture) in enumerate(pictures):
        left, top = number % columns * (width + GAP), number // columns * (height + LABEL)
        whole.paste(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS), (left, top))
        draw.text((left + GAP, top + height + GAP), label, "black")
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.pictures", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--content", type=Path, required=True, help="a photograph")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME-STYLE.jpg")
    parser.add_argument("--sheet", type=Path, help="file for the sheet: the photograph, and every painting beside its style")
    parser.add_argument("--blend", nargs=2, metavar="STYLE", help="two styles to blend half and half on the sheet")
    parser.add_argument("--width", type=int, default=480)
    args = parser.parse_args()

    manifest = json.loads(args.manifest.read_text())
    folder = args.manifest.parent
    model = onnx.load(folder / manifest["file"])
    content = fitted(args.content, args.width, manifest["multiple"])
    vectors = {style["name"]: np.fromfile(folder / style["vector"], "<f4") for style in manifest["styles"]}

    canvas = {style["name"]: style.get("canvas", 0.0) for style in manifest["styles"]}

    def draw_in(vector: np.ndarray, strength: float) -> Image.Image:
        put_style(model, manifest["norms"], vector, strength)
        return restyle(model, content)

    pictures = [("the photograph", content)]
    if args.blend:
        first, second = args.blend
        pictures.append((f"{first} and {second}, half each", draw_in((vectors[first] + vectors[second]) / 2, (canvas[first] + canvas[second]) / 2)))
    args.out.mkdir(parents=True, exist_ok=True)
    for style in manifest["styles"]:
        picture = draw_in(vectors[style["name"]], canvas[style["name"]])
        picture.save(args.out / f"{manifest['name']}-{style['name']}.jpg", quality=QUALITY)
        painting = Image.open(folder / style["painting"]).convert("RGB")
        pictures += [(f"{style['artist']}: {style['title']}", painting), (style["name"], picture)]
    if args.sheet:
        sheet(pictures).save(args.sheet, quality=QUALITY)


if __name__ == "__main__":
    main()
