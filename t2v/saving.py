"""The files of one video: preview, refined video, and the sidecar that says how it was made.

files = VideoFiles(Path("out.mp4"), preset, config)
files.check()
with files:
    for chunk in chunks:
        files.write(chunk)
print(files.saved)
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from t2v.events import Chunk, Start, Track, track_of
from t2v.media.images import hash_frames, resize
from t2v.media.video import VideoWriter
from t2v.output_names import check_output
from t2v.provenance import Provenance, describe, describe_start, write_json
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset
from t2v.weight_hashes import hash_preset


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A video file that was written.

    Args:
        chunk_hashes: SHA-256 of the frames of every chunk, as the model drew them.
    """

    path: Path
    num_frames: int
    seconds: float
    chunk_hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVideo:
    """The files of a video. None: there is no such file, or nothing was finished."""

    preview: SavedFile | None
    refined: SavedFile | None
    sidecar: Path | None

    @property
    def files(self) -> tuple[SavedFile, ...]:
        """The video files."""
        return tuple(file for file in (self.preview, self.refined) if file)


class VideoFiles:
    """Writes the files of one video, chunk by chunk.

    Leaving the `with` block completes them, also after an exception or Ctrl-C: finished chunks are
    kept. Without a single chunk there are no files.

    Args:
        path: of the preview, NAME.mp4; NAME-refined.mp4 and NAME.json are written next to it.
        write_metadata: write the settings into the files, and write the sidecar.
        start: what the video begins with besides text.
    """

    def __init__(
        self,
        path: Path,
        preset: Preset,
        config: GenerationConfig,
        *,
        write_metadata: bool = True,
        start: Start | None = None,
    ):
        self.saved = SavedVideo(preview=None, refined=None, sidecar=None)
        self._preset = preset.at_size(config.frame_size)
        self._config = config
        self._write_metadata = write_metadata
        self._provenance = Provenance(
            config=config, preset=preset.name, begins_with=describe_start(start)
        )
        self._paths: dict[Track, Path] = {"preview": path}
        self._sizes: dict[Track, tuple[int, int]] = {"preview": self._preset.display_size}
        if config.refine:
            self._paths["refined"] = path.with_stem(f"{path.stem}-refined")
            self._sizes["refined"] = self._preset.find_refiner().display_size
        self._sidecar = path.with_suffix(".json")
        metadata = self._provenance.to_json() if write_metadata else None
        self._writers: dict[Track, VideoWriter] = {
            track: VideoWriter(path, fps=preset.fps, metadata=metadata)
            for track, path in self._paths.items()
        }
        self._hashes: dict[Track, list[str]] = {"preview": [], "refined": []}
        self._stack = ExitStack()

    def check(self, name: str = "path", *, overwrite: bool = True) -> None:
        """Finds before the work what would fail after it.

        Args:
            name: what the user calls the path.

        Raises:
            ConfigError: the path does not end in .mp4.
            MediaError: a file exists already, or its folder accepts no files.
        """
        check_output(name, self._paths["preview"], ".mp4", overwrite)
        if self._write_metadata:
            check_output(name, self._sidecar, ".json", overwrite)
        if "refined" in self._paths:
            check_output(name, self._paths["refined"], ".mp4", overwrite)

    def __enter__(self) -> "VideoFiles":
        for writer in self._writers.values():
            self._stack.enter_context(writer)
        return self

    def write(self, chunk: Chunk) -> None:
        """Appends a chunk to the file of its track.

        Raises:
            MediaError: the disk refuses it.
        """
        track = track_of(chunk.stage)
        self._writers[track].write(resize(chunk.frames, self._sizes[track]))
        self._hashes[track].append(hash_frames(chunk.frames))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)
        # Ctrl-C is not an Exception: what it keeps has a sidecar.
        has_failed = isinstance(error, Exception)
        has_sidecar = self._write_metadata and bool(self._hashes["preview"]) and not has_failed
        if has_sidecar:
            self._write_sidecar()
        self.saved = SavedVideo(
            preview=self._saved("preview"),
            refined=self._saved("refined"),
            sidecar=self._sidecar if has_sidecar else None,
        )

    def _write_sidecar(self) -> None:
        weights = hash_preset(self._preset)
        hashes, refined_hashes = self._hashes["preview"], self._hashes["refined"]
        values = describe(self._provenance, self._sidecar.name, weights, hashes, refined_hashes)
        write_json(values, self._sidecar)

    def _saved(self, track: Track) -> SavedFile | None:
        writer = self._writers.get(track)
        if writer is None or not writer.num_frames:
            return None
        return SavedFile(
            path=writer.path,
            num_frames=writer.num_frames,
            seconds=writer.seconds,
            chunk_hashes=tuple(self._hashes[track]),
        )
