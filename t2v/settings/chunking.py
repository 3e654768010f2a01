"""The geometry of chunks: how many frames are denoised together, and how many of them are new."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Chunking:
    """Chunks of `chunk_frames` frames, each sharing `overlap` frames with the chunk before it.

    A fact of a stack. The paper's Streaming T2V Stage has Chunking(16, 8): every chunk after the
    first draws the 8 frames again that it is conditioned on, and adds 8. Its Streaming Refinement
    Stage has Chunking(24, 8).
    """

    chunk_frames: int  # denoised together (the paper's F)
    overlap: int  # shared with the chunk before (F_cond; O of the refiner)

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.chunk_frames:
            raise ValueError(f"overlap must lie in 0..{self.chunk_frames - 1}, got {self.overlap}")

    @property
    def new_frames(self) -> int:
        """Frames that every chunk after the first adds to the video."""
        return self.chunk_frames - self.overlap

    def num_frames(self, num_chunks: int) -> int:
        """Frames of the first `num_chunks` chunks; also the first new frame of the next one."""
        return self.chunk_frames + self.new_frames * (num_chunks - 1) if num_chunks else 0

    def num_chunks(self, num_frames: int) -> int:
        """The fewest chunks, at least one, that have `num_frames` frames or more."""
        return 1 + ceil(max(0, num_frames - self.chunk_frames) / self.new_frames)

    def boundaries(self, num_frames: int) -> list[int]:
        """First new frames of the chunks after the first, of a video of `num_frames` frames."""
        return list(range(self.chunk_frames, num_frames, self.new_frames))

    def num_complete(self, num_frames: int) -> int:
        """Whole chunks within the first `num_frames` frames."""
        return max(0, (num_frames - self.chunk_frames) // self.new_frames + 1)

    def chunk_at(self, frame: int) -> int:
        """Index of the chunk that adds a frame to the video."""
        return self.num_complete(frame)


PAPER_CHUNKING = Chunking(chunk_frames=16, overlap=8)
