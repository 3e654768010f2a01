"""The clock of a benchmark that compares several ways to do the same work."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch


@dataclass
class Clock:
    """Measures as long as there is time.

    On a CPU it counts the seconds that all cores worked for this process, so that other programs
    do not count.
    """

    device: torch.device
    minutes: float
    began: float = 0.0
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.now()

    def now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def seconds(self, work: Callable[[], object]) -> float:
        began = self.now()
        work()
        return self.now() - began

    def is_over(self, what: str) -> bool:
        """Whether there is no time for more; then notes what is left out."""
        is_over = self.now() - self.began >= 60 * self.minutes
        if is_over:
            self.skipped.append(f"{what}: no time left")
        return is_over

    def in_turns(
        self, work: dict[str, Callable[[], object]], rounds: int
    ) -> dict[str, float | None]:
        """Median seconds of every work; A B C A B C ..., the first round warms up."""
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for turn in range(rounds + 1):
            for name, do in work.items():
                if not self.is_over(f"{name}, round {turn}"):
                    seconds[name].append(self.seconds(do))
        return {name: statistics.median(all_[1:] or [0]) or None for name, all_ in seconds.items()}
