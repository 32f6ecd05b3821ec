"""The loop: turns of styles, losses, learning rate, averaging, checkpoints."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .canvas import USUAL
from .checkpoint import save
from .colour import blocks_from_rgb, rgb_from_blocks
from .data import Batch, Photographs
from .johnson import Johnson
from .loss_network import LAST_LAYER, LossNetwork
from .losses import (
    CELL,
    CONTENT_LAYERS,
    PaintedCells,
    cells_loss,
    content_loss,
    grain_loss,
    overshoot_loss,
    palette_loss,
    painting_grams,
    steadiness_loss,
    style_loss,
    tone_loss,
    tone_range,
    variation_loss,
    wanted_luma,
)
from .network import Network
from .progress import Progress

LAST_RATE, DECAY = 1e-5, 0.7
AVERAGING = 0.998  # of the weights that are exported: about the last 500 steps
LARGEST_GRADIENT = 10.0  # norm; longer ones are cut to it


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


@dataclass(frozen=True)
class Targets:
    """What the paintings ask for, a painting a row."""

    grams: dict[str, Tensor]  # {layer: [S, C, C]}
    cells: PaintedCells
    tones: Tensor  # [S, 2]: the luma of black and of white

    @classmethod
    def of(cls, paintings: list[Tensor], loss_network: LossNetwork, device: torch.device) -> Targets:
        """Paintings [1, 3, H, W] in 0..1."""
        tones = torch.tensor([tone_range(painting) for painting in paintings], device=device)
        paintings = [painting.to(device) for painting in paintings]
        return cls(painting_grams(loss_network, paintings), PaintedCells.of(loss_network, paintings), tones)


@dataclass(frozen=True)
class Networks:
    """What is trained, and what judges it: both in bfloat16 where `bfloat16` says so, what they give in float32."""

    drawing: Network | Johnson
    judging: LossNetwork
    bfloat16: bool

    def _precision(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, torch.bfloat16, enabled=self.bfloat16)

    def draw(self, rgb: Tensor, numbers: Tensor, batch: Batch) -> Tensor:
        """RGB [N, 3, H, W] in the styles `numbers` [N], on the canvas of the batch -> RGB, not clamped."""
        with self._precision(rgb):
            canvas = () if isinstance(self.drawing, Johnson) else (batch.canvas.to(numbers.device), batch.place)
            blocks = self.drawing(blocks_from_rgb(rgb), numbers, *canvas)
        return rgb_from_blocks(blocks.float())

    def features(self, rgb: Tensor, last: str = LAST_LAYER) -> dict[str, Tensor]:
        with self._precision(rgb):
            found = self.judging(rgb, last)
        return {layer: value.float() for layer, value in found.items()}


def measure(networks: Networks, targets: Targets, batch: Batch, numbers: Tensor, steadiness: bool) -> dict[str, Tensor]:
    """One batch's losses by name, each [N], not weighted. `numbers` [N] are the styles to draw in."""
    seen, contrast = batch.seen.to(numbers.device), batch.contrast.to(numbers.device)
    rgb = networks.draw(seen, numbers, batch)
    shown = rgb.clamp(0.0, 1.0)
    with torch.no_grad():
        scene = rgb_from_blocks(blocks_from_rgb(batch.scene.to(numbers.device))).clamp(0.0, 1.0)
        content = networks.features(scene, CONTENT_LAYERS[-1])
    features = networks.features(shown)
    paint = batch.canvas.to(numbers.device) / USUAL  # the more canvas, the more must plain places look painted
    wanted = wanted_luma(seen, targets.tones[numbers], CELL)
    found = {  # the less is left of a scene, the less must it look like a painting of it, and the more like the fade
        "content": content_loss(features, content) * contrast,
        "style": style_loss(features, targets.grams, numbers) * contrast,
        "cells": cells_loss(features, targets.cells, wanted, numbers) * contrast * paint,
        "palette": palette_loss(shown, targets.cells, wanted, numbers) * contrast,
        "variation": variation_loss(shown),
        "overshoot": overshoot_loss(rgb),
        "tone": tone_loss(rgb, seen, targets.tones[numbers]) * (5.0 - 4.0 * contrast),
        "grain": grain_loss(shown, seen),
    }
    if steadiness:
        other = networks.draw(batch.other.to(numbers.device), numbers, batch).clamp(0.0, 1.0)
        found["steadiness"] = steadiness_loss(shown, other, batch.motion, batch.passer)
    return found


def average_in(average: dict[str, Tensor], now: dict[str, Tensor], step: int) -> None:
    """Moves the running average of the weights towards `now`; it is quicker at first."""
    keep = min(AVERAGING, step / (step + 10.0))
    for name, value in average.items():
        value.lerp_(now[name], 1.0 - keep)


def note(running: dict[str, float], name: str, value: float) -> None:
    """A running mean for the progress lines."""
    running[name] = value if name not in running else running[name] + 0.02 * (value - running[name])


@dataclass(frozen=True)
class Plan:
    """For how long, at which rate, and how much each loss counts."""

    minutes: float
    steps: int
    rate: float
    weights: dict[str, float]  # of each loss
    factors: dict[str, Tensor]  # {loss: [S]}: on its weight, for each painting
    seed: int
    report_steps: int
    save_minutes: float
    bfloat16: bool


@dataclass(frozen=True)
class Subject:
    """What is trained: the weights of `network` that need a gradient. A checkpoint describes it by the next two."""

    network: Network | Johnson
    architecture: dict
    styles: list[str]
    on_canvas: bool  # whether the network sees the canvas


def progress_of(plan: Plan, step: int, trained_seconds: float) -> float:
    """From 0 to 1, where training ends."""
    return max(step / plan.steps, trained_seconds / (60.0 * plan.minutes))


def seconds_left(plan: Plan, step: int, trained_seconds: float, pace: float) -> float:
    """Until training ends, at `pace` seconds a step."""
    return min((plan.steps - step) * pace, 60.0 * plan.minutes - trained_seconds)


def refuse_another(checkpoint: Path, before: dict, asked: dict) -> None:
    """Ends the program where what was asked of the run before, as far as it was kept, is not what is asked now."""
    changed = [
        name if isinstance(before[name], str | None) else f"{name} ({before[name]} before)"  # digests tell nobody anything
        for name, value in asked.items()
        if before.get(name, value) != value
    ]
    if changed:
        raise SystemExit(f"{checkpoint} is a run with another {', another '.join(changed)}: take another --out, or what it began with")


def train(
    subject: Subject, plan: Plan, targets: Targets, loss_network: LossNetwork, paths: list[Path], checkpoint: Path, asked: dict
) -> dict[str, Tensor]:
    """Trains on the photographs `paths`, from `checkpoint` on if there is one, and keeps it up; returns the averaged weights.

    `asked` is what decides the result, by name; a checkpoint of a run that was asked for something else is refused.
    """
    network, names = subject.network, subject.styles
    networks = Networks(network, loss_network, plan.bfloat16)
    device = next(network.parameters()).device
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=plan.rate)
    step, trained_seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        if state["styles"] != names or state["architecture"] != subject.architecture:
            raise SystemExit(f"{checkpoint} is a run of another kind: {state['styles']}, {state['architecture']}; take another --out")
        refuse_another(checkpoint, state.get("asked", {}), asked)
        network.load_state_dict(state["network"])
        average = state["average"]
        optimiser.load_state_dict(state["optimiser"])
        step, trained_seconds = state["step"], state["seconds"]
        print(f"resumed at step {step}, {trained_seconds / 60:.1f} minutes", flush=True)
        if progress_of(plan, step, trained_seconds) >= 1.0:
            print("nothing is left to train: a larger --minutes goes on, another --out begins anew", flush=True)
            return average

    photographs = Photographs(paths, plan.seed + step, subject.on_canvas)
    turns = Turns(len(names), plan.seed + step)
    running: dict[str, float] = {}
    progress_bar, first = Progress(), step
    started, saved, before = time.monotonic(), time.monotonic(), trained_seconds
    while True:
        trained_seconds = before + time.monotonic() - started
        progress = progress_of(plan, step, trained_seconds)
        finished = progress >= 1.0
        if finished or time.monotonic() - saved > 60.0 * plan.save_minutes:
            state = {"styles": names, "architecture": subject.architecture, "network": network.state_dict(), "average": average}
            state |= {"optimiser": optimiser.state_dict(), "step": step, "seconds": trained_seconds, "losses": running, "asked": asked}
            save(checkpoint, state)
            saved = time.monotonic()
        if finished:
            progress_bar.clear()
            return average
        if step > first:
            pace = (trained_seconds - before) / (step - first)
            progress_bar.report(progress, seconds_left(plan, step, trained_seconds, pace), running.get("style"))
        for group in optimiser.param_groups:
            group["lr"] = LAST_RATE + (plan.rate - LAST_RATE) * (1.0 - progress) ** DECAY

        batch = photographs.batch()
        numbers = torch.tensor(turns.take(len(batch.scene)), device=device)
        found = measure(networks, targets, batch, numbers, plan.weights["steadiness"] > 0 and step % 2 == 1)
        counted = found | {loss: found[loss] * each[numbers] for loss, each in plan.factors.items() if loss in found}
        total = sum(plan.weights[name] * value.mean() for name, value in counted.items())
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        if torch.nn.utils.clip_grad_norm_(trained, LARGEST_GRADIENT).isfinite():
            optimiser.step()
        step += 1
        average_in(average, network.state_dict(), step)

        for name, value in found.items():
            note(running, name, value.mean().item())
        for number, value, contrast in zip(numbers.tolist(), found["style"].tolist(), batch.contrast.tolist()):
            if contrast == 1.0:
                note(running, names[number], value)
        if step % plan.report_steps == 0:
            progress_bar.clear()
            parts = " ".join(f"{name} {value:.4f}" for name, value in running.items())
            print(f"step {step} minute {trained_seconds / 60:.1f} progress {progress:.3f} | {parts}", flush=True)
