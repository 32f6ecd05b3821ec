"""python -m train: trains, reports, keeps checkpoints, resumes from them."""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path

import torch
from torch import Tensor

from .colour import blocks_from_rgb, rgb_from_blocks
from .data import Batch, Photographs, list_photographs, load_painting
from .loss_network import LossNetwork
from .losses import (
    CONTENT_LAYERS,
    Weights,
    content_loss,
    overshoot_loss,
    painting_grams,
    steadiness_loss,
    style_loss,
    variation_loss,
)
from .network import Network

FIRST_RATE, LAST_RATE, DECAY = 2e-3, 1e-5, 0.7
AVERAGING = 0.998  # of the weights that are exported: about the last 500 steps
LARGEST_GRADIENT = 10.0  # norm; longer ones are cut to it
NOISE = 0.04  # most noise (standard deviation) in the second input of the steadiness loss


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("--style", type=Path, nargs="+", required=True, help="paintings; a style is named after its file")
    parser.add_argument("--content", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--loss-net", type=Path, required=True, help="SqueezeNet 1.0's weights (.npz)")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint.pt; if there is one, it is resumed")
    parser.add_argument("--minutes", type=float, default=100.0, help="training time, all runs together")
    parser.add_argument("--steps", type=int, default=10**9, help="stop here if this comes before --minutes")
    parser.add_argument("--save-minutes", type=float, default=3.0, help="between checkpoints")
    parser.add_argument("--report-steps", type=int, default=50, help="between progress lines")
    parser.add_argument("--style-side", type=int, default=448, help="the paintings' short side in pixels")
    parser.add_argument("--strength", type=float, nargs="+", help="a factor on the style loss for each painting")
    parser.add_argument("--held-back", type=int, default=20, help="photographs never trained on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="on a CPU; 0 for all cores")
    parser.add_argument("--seed", type=int, default=1)
    for name, value in vars(Weights()).items():
        parser.add_argument(f"--{name}-weight", type=float, default=value)
    return parser.parse_args()


class Turns:
    """Styles in turn: every one once, in random order, and again."""

    def __init__(self, styles: int, seed: int) -> None:
        self.styles, self.random, self.left = styles, random.Random(seed), []

    def take(self, count: int) -> list[int]:
        taken: list[int] = []
        while len(taken) < count:
            if not self.left:
                self.left = self.random.sample(range(self.styles), self.styles)
            taken.append(self.left.pop())
        return taken


def measure(
    network: Network, loss_network: LossNetwork, targets: dict[str, Tensor], batch: Batch, numbers: Tensor, steadiness: bool
) -> dict[str, Tensor]:
    """One batch's losses by name, each [N], not weighted. `numbers` [N] are the styles to draw in."""
    blocks = blocks_from_rgb(batch.rgb.to(numbers.device))
    output = network(blocks, numbers)
    rgb = rgb_from_blocks(output)
    seen = rgb.clamp(0.0, 1.0)
    with torch.no_grad():
        scene = rgb_from_blocks(blocks_from_rgb(batch.scene.to(numbers.device))).clamp(0.0, 1.0)
        content = loss_network(scene, last=CONTENT_LAYERS[-1])
    features = loss_network(seen)
    found = {
        "content": content_loss(features, content),
        "style": style_loss(features, targets, numbers),
        "variation": variation_loss(seen),
        "overshoot": overshoot_loss(rgb),
    }
    if steadiness:
        moved = blocks_from_rgb(batch.moved.to(numbers.device))
        moved = moved + torch.randn_like(moved) * (NOISE * torch.rand((), device=numbers.device))
        found["steadiness"] = steadiness_loss(output, network(moved, numbers), batch.down, batch.across)
    return found


def average_in(average: dict[str, Tensor], now: dict[str, Tensor], step: int) -> None:
    """Moves the running average of the weights towards `now`; it is quicker at first."""
    keep = min(AVERAGING, step / (step + 10.0))
    for name, value in average.items():
        value.lerp_(now[name], 1.0 - keep)


def note(running: dict[str, float], name: str, value: float) -> None:
    """A running mean for the progress lines."""
    running[name] = value if name not in running else running[name] + 0.02 * (value - running[name])


def save(path: Path, state: dict) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def main() -> None:
    args = arguments()
    device = torch.device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "checkpoint.pt"
    weights = {name: getattr(args, f"{name}_weight") for name in vars(Weights())}
    names = [path.stem for path in args.style]
    strengths = torch.tensor(args.strength or [1.0] * len(names), device=device)
    if len(strengths) != len(names):
        raise SystemExit("--strength needs a number for each painting")

    torch.manual_seed(args.seed)
    network = Network(len(names)).to(device)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.Adam(network.parameters(), lr=FIRST_RATE)
    step, trained_seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        if state["styles"] != names:
            raise SystemExit(f"{checkpoint} was trained on {state['styles']}")
        network.load_state_dict(state["network"])
        average = state["average"]
        optimiser.load_state_dict(state["optimiser"])
        step, trained_seconds = state["step"], state["seconds"]
        print(f"resumed at step {step}, {trained_seconds / 60:.1f} minutes", flush=True)

    training, _ = list_photographs(args.content, args.held_back)
    photographs = Photographs(training, args.seed + step)
    turns = Turns(len(names), args.seed + step)
    loss_network = LossNetwork(args.loss_net).to(device)
    targets = painting_grams(loss_network, [load_painting(path, args.style_side).to(device) for path in args.style])

    running: dict[str, float] = {}
    started, saved, before = time.monotonic(), time.monotonic(), trained_seconds
    while True:
        trained_seconds = before + time.monotonic() - started
        progress = max(step / args.steps, trained_seconds / (60.0 * args.minutes))
        finished = progress >= 1.0
        if finished or time.monotonic() - saved > 60.0 * args.save_minutes:
            state = {"styles": names, "network": network.state_dict(), "average": average}
            state |= {"optimiser": optimiser.state_dict(), "step": step, "seconds": trained_seconds, "losses": running}
            save(checkpoint, state)
            saved = time.monotonic()
        if finished:
            break
        for group in optimiser.param_groups:
            group["lr"] = LAST_RATE + (FIRST_RATE - LAST_RATE) * (1.0 - progress) ** DECAY

        batch = photographs.batch()
        numbers = torch.tensor(turns.take(len(batch.rgb)), device=device)
        found = measure(network, loss_network, targets, batch, numbers, steadiness=step % 2 == 1)
        counted = found | {"style": found["style"] * strengths[numbers]}
        total = sum(weights[name] * value.mean() for name, value in counted.items())
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        step += 1
        average_in(average, network.state_dict(), step)

        for name, value in found.items():
            note(running, name, value.mean().item())
        for number, value in zip(numbers.tolist(), found["style"].tolist()):
            note(running, names[number], value)
        if step % args.report_steps == 0:
            parts = " ".join(f"{name} {value:.4f}" for name, value in running.items())
            print(f"step {step} minute {trained_seconds / 60:.1f} progress {progress:.3f} | {parts}", flush=True)


if __name__ == "__main__":
    main()
