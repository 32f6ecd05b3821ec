"""python -m train: trains a network for several paintings, or fits new paintings to a network that is there already.

It reports, keeps checkpoints and resumes from them. A painting of your own:
python -m train --style painting.jpg --trunk fine.json --content in.mp4
"""

from __future__ import annotations

import argparse
import re
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from .checkpoint import create
from .content import HELD_BACK, divided, photographs_of
from .data import load_painting
from .fit import digest_of_manifest, freeze_trunk, network_of_manifest, trunk_of, write_fitted
from .loop import Plan, Subject, Targets, train
from .loss_network import LossNetwork
from .losses import Weights
from .widen import widened

MINUTES, FIT_MINUTES = 100.0, 8.0
RATE, FIT_RATE = 2e-3, 1e-2
WIDE, DEEP = 24, 48
MOST_CANVAS = 0.15  # in samples of 0..1: twice what training draws at most


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("--style", type=Path, nargs="+", required=True, help="paintings; a style is named after its file")
    parser.add_argument("--content", type=Path, nargs="+", help="what to train on: videos, photographs, folders of photographs")
    parser.add_argument("--loss-net", type=Path, help="SqueezeNet 1.0's weights, torchvision's .pth or an .npz (torchvision's own)")
    parser.add_argument("--out", type=Path, help="folder for checkpoint.pt; if there is one, it is resumed (with --trunk the style's name)")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--trunk", type=Path, help="an exported manifest: fit only the paintings' vectors to it, and write models to --out")
    begin.add_argument("--from", dest="start", type=Path, help="a checkpoint or an exported manifest to start from, of this width or narrower")
    begin.add_argument("--network", choices=("small", "johnson"), default="small", help="johnson: the usual one, to compare with")
    parser.add_argument("--wide", type=int, help=f"channels at half resolution ({WIDE}, or those of --from)")
    parser.add_argument("--deep", type=int, help=f"channels at a quarter of the resolution ({DEEP}, or those of --from)")
    parser.add_argument("--minutes", type=float, help=f"training time, all runs together ({MINUTES:g}; {FIT_MINUTES:g} with --trunk)")
    parser.add_argument("--steps", type=int, default=10**9, help="stop here if this comes before --minutes")
    parser.add_argument("--rate", type=float, help=f"learning rate to begin with ({RATE:g}; {FIT_RATE:g} with --trunk)")
    parser.add_argument("--save-minutes", type=float, default=3.0, help="between checkpoints")
    parser.add_argument("--report-steps", type=int, default=50, help="between progress lines")
    parser.add_argument("--style-side", type=int, default=448, help="the paintings' short side in pixels")
    parser.add_argument("--strength", type=float, nargs="+", help="a factor on the losses of style and of cells for each painting")
    parser.add_argument("--calm", type=float, nargs="+", help="a factor on the steadiness loss for each painting")
    parser.add_argument("--canvas", type=float, help="with --trunk: strength of the canvas, 0 to 0.15 (the trunk's)")
    parser.add_argument("--held-back", type=int, help=f"photographs never trained on, the last ones ({HELD_BACK}; with --trunk the one in the middle)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bfloat16", choices=("auto", "yes", "no"), default="auto", help="auto: where the processor or GPU computes in it")
    parser.add_argument("--threads", type=int, default=0, help="on a CPU; 0 for all cores")
    parser.add_argument("--seed", type=int, default=1)
    for name, value in vars(Weights()).items():
        parser.add_argument(f"--{name}-weight", type=float, default=value)
    return parser.parse_args()


def computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def plan_of(args: argparse.Namespace, device: torch.device) -> Plan:
    factors = {"style": args.strength, "cells": args.strength, "steadiness": args.calm}
    factors = {loss: torch.tensor(each or [1.0] * len(args.style), device=device) for loss, each in factors.items()}
    if any(len(each) != len(args.style) for each in factors.values()):
        raise SystemExit("--strength and --calm need a number for each painting")
    return Plan(
        minutes=args.minutes or (FIT_MINUTES if args.trunk else MINUTES),
        steps=args.steps,
        rate=args.rate or (FIT_RATE if args.trunk else RATE),
        weights={name: getattr(args, f"{name}_weight") for name in vars(Weights())},
        factors=factors,
        seed=args.seed,
        report_steps=args.report_steps,
        save_minutes=args.save_minutes,
        bfloat16=args.bfloat16 == "yes" or (args.bfloat16 == "auto" and computes_in_bfloat16(device)),
    )


def start_of(path: Path, names: list[str]) -> tuple[dict[str, torch.Tensor], int, int]:
    """The weights of a checkpoint, or of an exported manifest, whose styles must be `names` in this order; how wide and deep."""
    if path.suffix == ".json":
        network, styles = network_of_manifest(path)
        weights, wide, deep = network.state_dict(), network.wide, network.deep
    else:
        state = torch.load(path, map_location="cpu")
        weights, styles, architecture = state["average"], state["styles"], state["architecture"]
        if architecture["network"] != "small":
            raise SystemExit(f"{path} is a network of another kind: {architecture['network']}")
        wide, deep = architecture["wide"], architecture["deep"]
    if styles != names:
        raise SystemExit(f"{path} has the styles {', '.join(styles)}, in this order; --style names {', '.join(names)}")
    return weights, wide, deep


def names_of(paintings: list[Path]) -> list[str]:
    """The styles', after the paintings' files."""
    return [re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "painting" for path in paintings]


def subject_of(args: argparse.Namespace, names: list[str], device: torch.device) -> Subject:
    if args.trunk:
        network, architecture = trunk_of(args.trunk, len(names), args.canvas)
        freeze_trunk(network)
        return Subject(network.to(device), architecture, names, bool(network.canvas.any()))
    architecture: dict = {"network": args.network}
    weights, least_wide, least_deep = start_of(args.start, names) if args.start else (None, 0, 0)
    if args.network == "small":
        wide, deep = args.wide or least_wide or WIDE, args.deep or least_deep or DEEP
        if wide < least_wide or deep < least_deep:
            raise SystemExit(f"--wide {wide} --deep {deep} is narrower than {args.start}, which has {least_wide} and {least_deep}")
        architecture |= {"wide": wide, "deep": deep}
    network = create(architecture, len(names))
    if weights is not None:
        network.load_state_dict(widened(weights, network.state_dict()))
    return Subject(network.to(device), architecture, names, args.network == "small")


def asked_of(args: argparse.Namespace, plan: Plan, names: list[str]) -> dict:
    """What decides the result, by name: a checkpoint keeps it, and goes on with nothing else."""
    asked: dict = {f"painting {name}": sha256(path.read_bytes()).hexdigest() for name, path in zip(names, args.style)}
    asked |= {"--trunk": digest_of_manifest(args.trunk) if args.trunk else None}
    asked |= {"--rate": plan.rate, "--seed": plan.seed, "--style-side": args.style_side}
    asked |= {option: value or [1.0] * len(names) for option, value in (("--strength", args.strength), ("--calm", args.calm))}
    return asked | {f"--{name}-weight": value for name, value in plan.weights.items()}


def checked(args: argparse.Namespace) -> None:
    """Ends the program where the command line says too little or what does not go together."""
    if not args.content:
        raise SystemExit("--content is missing, what to train on: your video (--content in.mp4), or a folder of some hundred photographs")
    if not args.out and not args.trunk:
        raise SystemExit("--out is missing, the folder for checkpoints")
    if args.canvas is not None and not args.trunk:
        raise SystemExit("--canvas is for --trunk: a network that is trained learns a range of strengths")
    if args.canvas is not None and not 0.0 <= args.canvas <= MOST_CANVAS:
        raise SystemExit(f"--canvas must lie in 0 to {MOST_CANVAS}")
    if args.held_back is not None and args.held_back < (1 if args.trunk else 0):
        raise SystemExit("--held-back must be 1 or more with --trunk, which draws a photograph that was held back; else 0 or more")


def main() -> None:
    args = arguments()
    checked(args)
    with TemporaryDirectory(prefix="frames-") as scratch:
        run(args, Path(scratch))


def run(args: argparse.Namespace, scratch: Path) -> None:
    """The training; frames of videos go to `scratch`."""
    device = torch.device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    names = names_of(args.style)
    paintings = [load_painting(path, args.style_side) for path in args.style]
    loss_network = LossNetwork(args.loss_net).to(device)
    subject, plan = subject_of(args, names, device), plan_of(args, device)
    training, held_back = divided(photographs_of(args.content, scratch), args.held_back, bool(args.trunk))
    targets = Targets.of(paintings, loss_network, device)
    asked = asked_of(args, plan, subject.styles)
    out = args.out or Path(names[0])
    out.mkdir(parents=True, exist_ok=True)
    average = train(subject, plan, targets, loss_network, training, out / "checkpoint.pt", asked)
    if args.trunk:
        subject.network.load_state_dict(average)
        write_fitted(subject, args.trunk, args.style, held_back[0], out)


if __name__ == "__main__":
    main()
