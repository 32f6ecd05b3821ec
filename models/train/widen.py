"""A trained network made wider without changing what it computes: Net2WiderNet (Chen, Goodfellow and Shlens 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

NOISE = 0.02  # of a weight's standard deviation, so that copies of a channel learn apart


def widened(narrow: dict[str, Tensor], wide: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state `narrow` in the shapes of the state `wide`, which is as wide or wider; of one width they are the same.

    A channel beyond the narrow ones is a copy of one of them, and what reads either is divided by the number of copies. All
    tensors of one width share one choice of copies, as residual connections need.
    """
    generator = torch.Generator().manual_seed(1)
    copies: dict[tuple[int, int], Tensor] = {}

    def copied(old: int, new: int) -> Tensor:
        if (old, new) not in copies:
            more = [torch.randperm(old, generator=generator) for _ in range(-(-(new - old) // old))]
            copies[old, new] = torch.cat([torch.arange(old), *more])[:new]
        return copies[old, new]

    result = {}
    for name, value in narrow.items():
        target = wide[name].shape
        if len(target) == 4:
            outputs, inputs = copied(value.shape[0], target[0]), copied(value.shape[1], target[1])
            counts = torch.bincount(inputs)[inputs].view(1, -1, 1, 1)
            noise = torch.randn(target, generator=generator) * value.std() * (NOISE if value.shape != target else 0.0)
            result[name] = (value[outputs][:, inputs] + noise) / counts
        elif len(target) == 2:  # a norm's [S, C]
            result[name] = value[:, copied(value.shape[1], target[1])]
        else:
            result[name] = value[copied(value.shape[0], target[0])]
    return result
