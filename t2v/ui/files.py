"""Files for people, made when somebody asks: a GIF, a bundle, two videos side by side; and the way
back, from a file to the settings it was made with."""

from collections.abc import Callable
from pathlib import Path

from t2v.errors import JobError
from t2v.jobs.beside import write_beside
from t2v.jobs.bundle import write_bundle
from t2v.jobs.run_folder import ENDED, RunFolder
from t2v.media.comparison import write_side_by_side
from t2v.media.gif import write_gif
from t2v.origin import read_origin
from t2v.ui.addresses import address_of, file_name
from t2v.ui.handlers import Handlers
from t2v.ui.words import errors_shown


class Files:
    """Every file is kept in the folder of its run, and made once for every state of its video."""

    def __init__(self, handlers: Handlers):
        self._handlers = handlers

    def gif(self, run_id) -> str:
        """A finished video as a GIF that repeats for ever; the refined one, if it is complete."""

        def write(path: Path, folder: RunFolder) -> None:
            write_gif(best_video_of(folder), path)

        return self._make([run_id], ".gif", write)

    def bundle(self, run_id) -> str:
        """A zip with the videos of a run, its settings, versions, the hash of every chunk, and the
        command line that makes the same video again."""

        def write(path: Path, folder: RunFolder) -> None:
            write_bundle(folder, path)

        return self._make([run_id], ".zip", write)

    def json(self, run_id) -> str:
        """How a finished video was made: settings, versions, hashes. The page and `t2v generate
        --like` take it back."""

        def write(path: Path, folder: RunFolder) -> None:
            best_video_of(folder)
            if not folder.read().settings.write_metadata:
                raise JobError("the files of this video were to say nothing of how it was made")
            write_beside(folder, path)

        return self._make([run_id], ".json", write)

    def side_by_side(self, run_id, other) -> str:
        """A run and another one in one video; refined, where they are complete.

        Args:
            other: the other run's id, or its link.
        """

        def write(path: Path, left: RunFolder, right: RunFolder) -> None:
            write_side_by_side(best_video_of(left), best_video_of(right), path)

        other_id = str(other or "").strip().rpartition("run=")[2].lower()
        return self._make([run_id, other_id], "-beside-{}.mp4", write)

    def take_settings(self, file) -> tuple:
        """Settings of the video in a file, or of the JSON beside it, for the parts of the page that
        `Handlers.restore` names; then its seed, and that it shall be used again."""
        with errors_shown():
            origin = read_origin(Path(file))
        filled = self._handlers.fill_in(origin.config, origin.preset)
        return (*filled, origin.config.seed, False)

    def _open(self, run_id) -> RunFolder:
        return RunFolder.open(self._handlers.worker.runs_dir, run_id)

    def _make(self, run_ids: list, ending: str, write: Callable[..., None]) -> str:
        """The file of the first run; `ending` has a place for the id of another one."""
        with errors_shown():
            folders = [self._open(run_id) for run_id in run_ids]
            others = (folder.id[:8] for folder in folders[1:])
            path = folders[0].path / file_name(folders[0].read(), ending.format(*others))
            if not is_current(path, folders):
                write(path, *folders)
        return address_of(path)


def is_current(path: Path, folders: list[RunFolder]) -> bool:
    """Whether a file was made from the videos that the runs have now."""
    videos = (folder.video_path(is_refined) for folder in folders for is_refined in (False, True))
    times = [video.stat().st_mtime for video in videos if video.exists()]
    return path.exists() and bool(times) and path.stat().st_mtime >= max(times)


def best_video_of(folder: RunFolder) -> Path:
    """The finished video of a run: the refined one where it is complete.

    Raises:
        JobError: there is none.
    """
    record = folder.read()
    if record.state not in ENDED or not folder.video_path().exists():
        raise JobError("this run has no finished video (yet)")
    return folder.video_path(is_refined=record.num_refined_frames == record.num_frames)
