"""What a run keeps: a file that is always whole, and the network in it."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from .johnson import Johnson
from .network import Network


def create(architecture: dict, styles: int) -> Network | Johnson:
    """{"network": "small", "wide": 24, "deep": 48} or {"network": "johnson"}."""
    if architecture["network"] == "johnson":
        return Johnson(styles)
    return Network(styles, architecture["wide"], architecture["deep"])


def save(path: Path, state: dict) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load_averaged(path: Path) -> tuple[Network | Johnson, dict]:
    """(the network with its averaged weights, the checkpoint)."""
    state = torch.load(path, map_location="cpu")
    network = create(state["architecture"], len(state["styles"]))
    network.load_state_dict(state["average"])
    return network.eval(), state
