"""Which runs fit into the GPUs that make the runs of a folder."""

from collections.abc import Callable, Mapping, Sequence

from t2v.settings.presets import Preset


GIGABYTE = 10**9
Needed = Callable[[str, bool], int]  # bytes that a preset needs at least; whether it is refined


def nothing_needed(_preset: str, _refines: bool) -> int:
    return 0


def needed_by(presets: Mapping[str, Preset]) -> Needed:
    """What presets say that they need; nothing for a preset of another version of Longtake."""

    def needed(name: str, refines: bool) -> int:
        return presets[name].needed_gpu_bytes(refines) if name in presets else 0

    return needed


class GpuSizes:
    """The memory of the GPUs of a folder. `RunQueue.changed` guards what changes.

    A size of 0 is that of a processor, or one that nobody knows: everything fits.

    Args:
        needed: by a preset.
        measure: gives the bytes of this process's GPU. Called on the thread that makes runs.

    Attributes:
        own: bytes of this process's GPU.
        makers: bytes of the GPUs of all processes that make runs.
    """

    def __init__(self, needed: Needed = nothing_needed, measure: Callable[[], int] = lambda: 0):
        self.own = 0
        self.makers: Sequence[int] = ()
        self._needed = needed
        self.measure = measure

    def fits_here(self, preset: str, refines: bool) -> bool:
        return not self.own or self._needed(preset, refines) <= self.own

    def obstacle(self, preset: str, refines: bool) -> str:
        """Why no process makes such a run, in one sentence; "" if one does, or none is known."""
        needed = self._needed(preset, refines)
        if not self.makers or any(not size or needed <= size for size in self.makers):
            return ""
        gigabytes, most = needed / GIGABYTE, max(self.makers) / GIGABYTE
        if refines:
            return (
                f"the {preset} preset with Refine needs a GPU with {gigabytes:.1f} GB, and the "
                f"largest here has {most:.1f} GB"
            )
        return (
            f"the {preset} preset needs a GPU with {gigabytes:.1f} GB, and the largest here has "
            f"{most:.1f} GB"
        )
