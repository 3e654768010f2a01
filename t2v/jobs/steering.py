"""What can be asked of a run while it waits, is being made, or has ended."""

from contextlib import suppress
from pathlib import Path

from t2v.config import check_whole
from t2v.errors import JobError
from t2v.jobs.commands import extended, redone, steered
from t2v.jobs.line import Line
from t2v.jobs.recovery import prepare
from t2v.jobs.reopening import find_kept
from t2v.jobs.run_folder import RunFolder, RunSettings, check_disk, kept_on_disk
from t2v.jobs.turn import LiveRun, Wish


class Steering:
    """The commands of runs. Each returns at once; what it does is told to who watches the run.

    All raise JobError where there is no such run or it cannot do this now, and ConfigError where
    a value is out of range; nothing has changed then.
    """

    runs_dir: Path
    line: Line

    def stop(self, run_id: str) -> None:
        """Ends a run within one denoising step and keeps its chunks; a waiting one never starts.
        One that has ended has nothing to stop."""
        self._end_early(run_id, "stop")

    def pause(self, run_id: str) -> None:
        """The same, and says that it is meant to go on. The device is free for others."""
        if not self._end_early(run_id, "pause"):
            raise JobError("this run has ended; there is nothing to pause")

    def resume(self, run_id: str) -> None:
        """A run that was paused, stopped, interrupted or that failed goes on at its next chunk."""
        with self.line.changed:
            run = self.line.get(run_id)
            if run is not None:
                if run.wish != "pause" or run.is_over:
                    raise JobError("this run is being made or waits already")
                run.wish = ""  # it had not noticed yet
                return
            folder = RunFolder.open(self.runs_dir, run_id)
            record = folder.read()
            if record.state == "finished":
                raise JobError("this video is complete; extend it or make a chunk anew")
            self._add_again(folder, record.settings)

    def extend(self, run_id: str, num_chunks: float) -> None:
        """Adds chunks to a video, whether it is being made or complete."""
        with self.line.changed:
            run, folder, settings = self._find(run_id)
            self._change(run, folder, extended(settings, num_chunks))

    def change_prompt(self, run_id: str, prompt: str, blend: float = 0) -> int:
        """Another prompt from the next chunk on that has not been begun, which is returned.

        Args:
            blend: how many chunks mix the old and the new prompt.
        """
        with self.line.changed:
            run, folder, settings = self._find(run_id)
            chunk = run.next_chunk if run else find_kept(folder, settings).num_chunks
            if chunk >= settings.config.num_chunks:
                raise JobError(
                    "there is no further chunk to change: extend the video first, or make a "
                    "chunk anew"
                )
            self._change(run, folder, steered(settings, chunk, prompt, blend))
            return chunk

    def redo(
        self, run_id: str, chunk: float, *, seed: float | None = None, prompt: str | None = None
    ) -> None:
        """Makes a chunk and all after it anew, with another seed, prompt, or both."""
        with self.line.changed:
            run, folder, settings = self._find(run_id)
            num_chunks = find_kept(folder, settings, folder.read().rewind_to).num_chunks
            if not num_chunks:
                raise JobError("there is no finished chunk yet that could be made anew")
            check_whole("chunk", chunk, 0, num_chunks - 1)
            changed = redone(settings, int(chunk), seed, prompt)
            self._change(run, folder, changed, rewind_to=int(chunk))

    def _end_early(self, run_id: str, wish: Wish) -> bool:
        """Whether the run has not ended before."""
        with self.line.changed:
            run = self.line.get(run_id)
            if run is None:
                RunFolder.open(self.runs_dir, run_id)
                return False
            if self.line.is_waiting(run):
                self._end_waiting(run, wish)
            elif run.wish != "interrupt":
                run.wish = wish
            return True

    def _find(self, run_id: str) -> tuple[LiveRun | None, RunFolder, RunSettings]:
        """A run and its settings. The caller holds the lock."""
        run = self.line.get(run_id)
        if run is not None:
            run.check_takes_commands()
            return run, run.folder, run.settings
        folder = RunFolder.open(self.runs_dir, run_id)
        return None, folder, folder.read().settings

    def _change(
        self,
        run: LiveRun | None,
        folder: RunFolder,
        settings: RunSettings,
        rewind_to: int | None = None,
    ) -> None:
        if run is None:
            self._add_again(folder, settings, rewind_to)
            return
        pending = folder.read().rewind_to
        if pending is not None and rewind_to is not None:
            rewind_to = min(pending, rewind_to)
        with kept_on_disk():
            folder.update(settings=settings, rewind_to=pending if rewind_to is None else rewind_to)
        run.settings = settings
        if rewind_to is not None:
            run.is_rewound = True
            has_begun = not self.line.is_waiting(run)
            run.next_chunk = min(run.next_chunk, rewind_to + has_begun)
        self.line.changed.notify_all()

    def _add_again(
        self, folder: RunFolder, settings: RunSettings, rewind_to: int | None = None
    ) -> None:
        """Puts a run that has ended into the queue again, to go on or to be made anew."""
        before = folder.read()
        self.line.check_room(before.visitor)
        check_disk(self.runs_dir)
        # First what is meant, then what it takes: cut off in between, it is taken up again.
        with kept_on_disk():
            folder.update(
                settings=settings, rewind_to=rewind_to, state="queued", message="", num_tries=0
            )
            try:
                num_chunks = prepare(folder, is_asked_for=True)
            except (JobError, OSError):
                with suppress(OSError):
                    folder.write(before)
                raise
        self.line.add(LiveRun(folder, settings, before.visitor, next_chunk=num_chunks))

    def _end_waiting(self, run: LiveRun, wish: Wish) -> None:
        """Ends a run that waits. The caller holds the lock."""
        raise NotImplementedError
