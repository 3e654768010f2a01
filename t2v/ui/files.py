"""Files for people, made when somebody asks: a GIF, a bundle, two videos side by side; and the way
back, from a file to the settings it was made with."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from t2v.errors import JobError, T2VError
from t2v.jobs.beside import JSON_NAME, write_beside
from t2v.jobs.bundle import write_bundle
from t2v.jobs.run_folder import ENDED, RunFolder
from t2v.media.comparison import write_side_by_side
from t2v.media.gif import write_gif
from t2v.origin import read_origin
from t2v.ui.addresses import address_of
from t2v.ui.handlers import Handlers
from t2v.ui.words import sentence


class Files:
    """Every file is kept in the folder of its run, and made once for every state of its video."""

    def __init__(self, handlers: Handlers):
        self._handlers = handlers

    def gif(self, run_id) -> str:
        """A finished video as a GIF that repeats for ever."""
        return self._make(
            run_id, "video.gif", lambda folder, path: write_gif(video_of(folder), path)
        )

    def bundle(self, run_id) -> str:
        """A zip with the videos of a run, its settings, versions, the hash of every chunk, and the
        command line that makes the same video again."""
        return self._make(run_id, "bundle.zip", write_bundle)

    def json(self, run_id) -> str:
        """How a finished video was made: settings, versions, hashes. The page and `t2v generate
        --like` take it back."""

        def write(folder: RunFolder, path: Path) -> None:
            video_of(folder)
            if not folder.read().settings.write_metadata:
                raise JobError("the files of this video were to say nothing of how it was made")
            write_beside(folder, path)

        return self._make(run_id, JSON_NAME, write)

    def side_by_side(self, run_id, other) -> str:
        """A run and another one in one video.

        Args:
            other: the other run's id, or its link.
        """

        def write(folder: RunFolder, path: Path) -> None:
            write_side_by_side(video_of(folder), video_of(self._open(other_id)), path)

        other_id = str(other or "").strip().rpartition("run=")[2].lower()
        # The other id becomes part of a name only after it was found to be one.
        return self._make(run_id, lambda: f"beside-{self._open(other_id).id}.mp4", write)

    def take_settings(self, file) -> tuple:
        """Settings of the video in a file, or of the JSON beside it, for the parts of the page that
        `Handlers.restore` names; then its seed, and that it shall be used again."""
        try:
            origin = read_origin(Path(file))
        except T2VError as error:
            raise gr.Error(sentence(error), print_exception=False) from error
        filled = self._handlers.fill_in(origin.config, origin.preset)
        return (*filled, origin.config.seed, False)

    def _open(self, run_id) -> RunFolder:
        return RunFolder.open(self._handlers.worker.runs_dir, run_id)

    def _make(
        self,
        run_id,
        name: str | Callable[[], str],
        write: Callable[[RunFolder, Path], None],
    ) -> str:
        try:
            folder = self._open(run_id)
            path = folder.path / (name if isinstance(name, str) else name())
            if not is_current(path, folder):
                write(folder, path)
        except T2VError as error:
            raise gr.Error(sentence(error), print_exception=False) from error
        return address_of(path)


def is_current(path: Path, folder: RunFolder) -> bool:
    """Whether a file was made from the video that the run has now."""
    video = folder.video_path()
    return path.exists() and video.exists() and path.stat().st_mtime >= video.stat().st_mtime


def video_of(folder: RunFolder) -> Path:
    """The finished video of a run.

    Raises:
        JobError: there is none.
    """
    if folder.read().state not in ENDED or not folder.video_path().exists():
        raise JobError("this run has no finished video (yet)")
    return folder.video_path()
