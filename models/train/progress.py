"""How far training is: a bar where the standard error is a terminal, a line now and then where it is not."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

WIDTH = 30  # characters of the bar
# Between two reports, by whether they go to a terminal: seconds, and the least share of the whole.
BETWEEN = {True: (0.2, 0.0), False: (15.0, 0.02)}


def duration(seconds: float) -> str:
    """For people: "4 min 05 s"."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@dataclass
class Progress:
    """Reports of one run."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    last: float = field(default_factory=time.monotonic)
    share: float = 0.0  # at the last report
    shown: bool = False

    def report(self, share: float, left: float, loss: float | None) -> None:
        """`share` of 0..1 done, seconds left, the style loss so far if there is one."""
        terminal, now = self.stream.isatty(), time.monotonic()
        seconds, step = BETWEEN[terminal]
        if now - self.last < seconds or share - self.share < step:
            return
        self.last, self.share = now, share
        said = f"{share:4.0%}" + ("" if loss is None else f", style loss {loss:.2f}") + f", {duration(left)} left"
        if terminal:
            done = round(WIDTH * min(share, 1.0))
            self.shown = True
            self.stream.write(f"\r\x1b[K[{'#' * done}{'.' * (WIDTH - done)}] {said}")
        else:
            self.stream.write(f"{said.strip()}\n")
        self.stream.flush()

    def clear(self) -> None:
        """Removes the bar, for another line to take its place."""
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.shown = False
