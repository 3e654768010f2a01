"""Files of runs, made on request: GIF, bundle, JSON, comparisons; and settings read from a file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from t2v.errors import ConfigError, RunError
from t2v.events import TRACKS, Track
from t2v.media.comparison import write_side_by_side
from t2v.media.gif import write_gif
from t2v.media.reader import Video
from t2v.provenance import read_provenance
from t2v.runs.export import write_bundle, write_sidecar
from t2v.runs.folder import RunFolder
from t2v.runs.record import ENDED
from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.errors import errors_shown, tell, warn
from t2v.ui.form import Form, Updates
from t2v.ui.labels import count_chunks, escaped
from t2v.ui.memories import caption_of
from t2v.ui.render import file_update
from t2v.ui.start import CHOOSE_AGAIN
from t2v.ui.texts.catalogue import sentences, tr
from t2v.ui.urls import address_of, file_name


MAX_TOAST = 120  # characters of a prompt
MISSING_PRESET = "Its preset is not here: choose one."


class Downloads:
    """Every file is kept in the folder of its run, and made again when a video has changed."""

    def __init__(self, worker: Worker, presets: dict[str, Preset], form: Form):
        self._worker = worker
        self._presets = presets
        self._form = form

    def gif(self, run_id: Any) -> str:
        """A finished video as an endless GIF; the refined one, if it is complete."""

        def write(path: Path, folder: RunFolder) -> None:
            video = Video(best_video_of(folder))
            write_gif(video, path)
            warn(video.notices)

        return self._make([run_id], ".gif", write)

    def bundle(self, run_id: Any) -> str:
        """A zip with all it takes to make a run's videos again.

        It has the videos, the settings, versions, the hash of every chunk, and the command line
        that makes the same video.
        """

        def write(path: Path, folder: RunFolder) -> None:
            write_bundle(folder, path)

        return self._make([run_id], ".zip", write)

    def json(self, run_id: Any) -> str:
        """How a finished video was made: settings, versions, hashes.

        The page and the command line's `generate --like` can load it.
        """

        def write(path: Path, folder: RunFolder) -> None:
            best_video_of(folder)
            if not folder.read().settings.write_metadata:
                raise RunError("this video was made with metadata left out of its files")
            write_sidecar(folder, path)

        return self._make([run_id], ".json", write)

    def side_by_side(self, run_id: Any, other: Any) -> str:
        """A run and another one in one video; refined, where they are complete.

        Args:
            other: the other run's id, or its link.
        """

        def write(path: Path, left: RunFolder, right: RunFolder) -> None:
            videos = Video(best_video_of(left)), Video(best_video_of(right))
            write_side_by_side(*videos, path)
            warn(notice for video in videos for notice in video.notices)

        other_id = str(other or "").strip().rpartition("run=")[2].lower()
        return self._make([run_id, other_id], "-vs-{}.mp4", write)

    def ablated(self, run_id: str, other_id: str) -> str:
        """The previews of a run and of its ablation in one video, each with its memories above."""

        def write(path: Path, left: RunFolder, right: RunFolder) -> None:
            videos = Video(left.video_path()), Video(right.video_path())
            captions = (caption_of(left.read().settings), caption_of(right.read().settings))
            write_side_by_side(*videos, path, captions)
            warn(notice for video in videos for notice in video.notices)

        return self._make([run_id, other_id], "-ablation-{}.mp4", write)

    def compare(self, run_id: Any) -> dict[str, Any]:
        """Preview and refined video of a run that has ended, side by side in one file."""
        with errors_shown():
            folder = RunFolder.open(self._worker.runs_dir, run_id)
            record = folder.read()
            if not record.num_refined_frames:
                raise RunError("this run has no refined video (yet)")
            if not folder.compared_path.exists():
                videos = Video(folder.video_path()), Video(folder.video_path("refined"))
                write_side_by_side(*videos, folder.compared_path)
                warn(notice for video in videos for notice in video.notices)
        return file_update(folder.compared_path, file_name(record, "-compared.mp4"))

    def take_settings(self, file: Any) -> Updates:
        """Settings of a video, of its JSON sidecar or its bundle, with its seed."""
        with errors_shown():
            if not isinstance(file, str):  # programs send null
                raise ConfigError("give a video of Longtake, its sidecar JSON or its bundle")
            provenance = read_provenance(Path(file))
        config, name = provenance.config, escaped(Path(file).name)
        prompt = shortened(" → ".join(change.text for change in config.prompts))
        missing = "" if provenance.preset in self._presets else tr(MISSING_PRESET)
        loaded = tr(
            "The form has the settings of {name} now: “{prompt}”, {chunks}, seed {seed}.",
            name=name,
            prompt=escaped(prompt),
            chunks=count_chunks(config.num_chunks),
            seed=config.seed,
        )
        began = tr(CHOOSE_AGAIN) if provenance.begins_with else ""
        tell(sentences(loaded, missing, began))
        return self._form.repeated(provenance.config, self._presets.get(provenance.preset))

    def _make(self, run_ids: list[Any], ending: str, write: Callable[..., None]) -> str:
        """The file of the first run; `ending` has a place for the id of another one."""
        with errors_shown():
            folders = [RunFolder.open(self._worker.runs_dir, run_id) for run_id in run_ids]
            others = (folder.id[:8] for folder in folders[1:])
            path = folders[0].path / file_name(folders[0].read(), ending.format(*others))
            # Kept with the time of its videos: comparing equal, a wrong clock does no harm.
            made_of = time_of_videos(folders)
            if not path.exists() or path.stat().st_mtime_ns != made_of:
                write(path, *folders)
                os.utime(path, ns=(made_of, made_of))
        return address_of(path)


def shortened(text: str) -> str:
    return text if len(text) <= MAX_TOAST else text[:MAX_TOAST] + "…"


def time_of_videos(folders: list[RunFolder]) -> int:
    """The mean time of the videos that the runs have now: another one when any of them changes."""
    videos = (folder.video_path(track) for folder in folders for track in TRACKS)
    times = [video.stat().st_mtime_ns for video in videos if video.exists()]
    return sum(times) // max(1, len(times))


def best_video_of(folder: RunFolder) -> Path:
    """The finished video of a run: the refined one if it is complete.

    Raises:
        RunError: there is none.
    """
    return folder.video_path(best_track_of(folder))


def best_track_of(folder: RunFolder) -> Track:
    """The track of a run's finished video: refined if it is complete.

    Raises:
        RunError: there is no finished video.
    """
    record = folder.read()
    if record.state not in ENDED or not folder.video_path().exists():
        raise RunError("this run has no finished video (yet)")
    return "refined" if record.num_refined_frames == record.num_frames else "preview"
