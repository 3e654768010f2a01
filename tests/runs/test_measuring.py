"""Chunks are measured beside the making of a run: each once, the same numbers however it went."""

import threading

import numpy as np
import pytest

from t2v.errors import RunError
from t2v.evaluation.metrics.chunk import measure_chunk
from t2v.events import Notice
from t2v.runs import measuring
from t2v.runs.events import ChunkMeasured, Rewound, SegmentReady, is_end, to_json
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.measuring import Meter, measure_rest
from t2v.runs.resume import reopen
from t2v.runs.worker import Worker
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from tests.support.fakes import PaintingStream, made, opener, paint, settings


def measured(folder: RunFolder) -> list[ChunkMeasured]:
    return [event for event in iter_events(folder) if isinstance(event, ChunkMeasured)]


def folder_of(worker: Worker, run_id: str) -> RunFolder:
    return RunFolder(worker.runs_dir / run_id)


def stored_run(path, num_chunks: int, chunking: Chunking = PAPER_CHUNKING, size: int = 1):
    """A run folder with painted frames, `size` times as large, of which nothing is measured."""
    folder = RunFolder(path)
    folder.segments_dir.mkdir(parents=True)
    store = folder.frame_store(chunking)
    for index in range(num_chunks):
        start, end = chunking.num_frames(index), chunking.num_frames(index + 1)
        frames = np.stack([paint(number) for number in range(start, end)])
        store.save(start, frames.repeat(size, axis=1).repeat(size, axis=2))
        folder.append(
            SegmentReady(
                stage="streaming_t2v",
                index=index,
                path=folder.segment_path(start),
                start_frame=start,
                num_frames=end - start,
            )
        )
    return folder


def test_every_chunk_is_measured_once_and_before_the_end(start_worker):
    worker = start_worker(PaintingStream())
    run_id = made(worker, num_chunks=7)
    events = list(iter_events(folder_of(worker, run_id)))
    numbers = [event for event in events if isinstance(event, ChunkMeasured)]
    assert [n.start_frame for n in numbers] == [0, 16, 24, 32, 40, 48, 56]
    assert is_end(events[-1]) and not any(map(is_end, events[:-1]))
    store = folder_of(worker, run_id).frame_store(PAPER_CHUNKING)
    expected = measure_chunk(store.read(24), store.read(32), store.read(0)[0])
    assert numbers[3].motion == round(expected.motion.value, 4) > 0
    assert numbers[3].seam_ratio == round(expected.seam_ratio.value, 4)
    assert numbers[3].drift == round(expected.drift_colour.value, 4)
    assert (numbers[0].seam_ratio, numbers[0].is_cut) == (None, None)
    assert numbers[3].is_cut == expected.is_cut


def test_viewers_are_told_the_numbers(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=3))
    told = [event for event in worker.watch(run_id) if isinstance(event, ChunkMeasured)]
    assert told == measured(folder_of(worker, run_id))
    values = to_json(told[1])
    assert values["type"] == "ChunkMeasured" and values["index"] == 1
    assert not {type(value) for value in values.values()} - {str, int, float, bool, type(None)}


def test_the_stream_never_waits_for_a_meter_that_is_stuck(start_worker, monkeypatch):
    stuck = threading.Event()
    real = measuring.measure_chunk

    def slow(*frames, **options):
        stuck.wait(30)
        return real(*frames, **options)

    monkeypatch.setattr(measuring, "measure_chunk", slow)
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=5))
    done = []
    for event in worker.watch(run_id):
        assert not isinstance(event, ChunkMeasured) or stuck.is_set()
        if isinstance(event, SegmentReady):
            done.append(event.index)
            if len(done) == 5:  # all chunks can be played, and no number is known
                stuck.set()
    assert [n.index for n in measured(folder_of(worker, run_id))] == [0, 1, 2, 3, 4]


def test_a_meter_that_fails_costs_the_numbers_and_not_the_video(start_worker, monkeypatch):
    def fail(*_):
        raise ValueError("no flow")

    monkeypatch.setattr(measuring, "measure_chunk", fail)
    worker = start_worker(PaintingStream())
    run_id = made(worker)
    assert worker.record(run_id).state == "finished"
    assert measured(folder_of(worker, run_id)) == []


def test_a_redone_chunk_and_all_later_ones_are_measured_again(start_worker):
    worker = start_worker(PaintingStream())
    run_id = made(worker, num_chunks=6)
    before = measured(folder_of(worker, run_id))
    worker.commands.redo(run_id, 2, seed=9)
    list(worker.watch(run_id))
    after = measured(folder_of(worker, run_id))
    assert [n.index for n in after] == list(range(6))
    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_an_interrupted_run_gets_the_numbers_it_has_lost_and_no_other_twice(tmp_path):
    whole = stored_run(tmp_path / "a", 5)
    measure_rest(whole, PAPER_CHUNKING)
    cut = stored_run(tmp_path / "b", 5)
    for event in measured(whole)[:2]:
        cut.append(event)
    with cut.log_path.open("ab") as log:  # killed while it wrote the third
        log.write(b'{"type": "ChunkMeasured", "index": 2, "sta')
    lines = cut.log_path.read_bytes().splitlines(keepends=True)
    cut.log_path.write_bytes(b"".join(lines[:-1]))
    measure_rest(cut, PAPER_CHUNKING)
    assert measured(cut) == measured(whole)
    assert len(measured(whole)) == 5
    measure_rest(cut, PAPER_CHUNKING)
    assert len(measured(cut)) == 5


def test_a_half_written_line_is_dropped_when_the_run_is_reopened(start_worker):
    worker = start_worker(PaintingStream())
    run_id = made(worker, num_chunks=4)
    folder = folder_of(worker, run_id)
    expected = measured(folder)
    lines = folder.log_path.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b"ChunkMeasured" in line)
    folder.log_path.write_bytes(b"".join(lines[:last]) + lines[last][:30])
    reopen(folder)
    events = list(iter_events(folder))
    assert isinstance(events[0], Rewound)
    assert measured(folder) == expected[:3]
    measure_rest(folder, PAPER_CHUNKING)
    assert measured(folder) == expected


def test_runs_of_older_versions_get_their_numbers_when_they_are_extended(start_worker):
    worker = start_worker(PaintingStream())
    run_id = made(worker, num_chunks=3)
    folder = folder_of(worker, run_id)
    expected = measured(folder)
    lines = folder.log_path.read_bytes().splitlines(keepends=True)
    folder.log_path.write_bytes(b"".join(x for x in lines if b"ChunkMeasured" not in x))
    assert isinstance(list(worker.watch(run_id))[-2], SegmentReady)  # it opens without them
    worker.commands.extend(run_id, 2)
    list(worker.watch(run_id))
    assert [n.index for n in measured(folder)] == [0, 1, 2, 3, 4]
    assert measured(folder)[:3] == expected


def test_damaged_frames_leave_their_chunk_without_numbers(tmp_path):
    folder = stored_run(tmp_path, 5)
    folder.frame_store(PAPER_CHUNKING)._path(24).write_bytes(b"no frames")
    measure_rest(folder, PAPER_CHUNKING)
    assert [n.index for n in measured(folder)] == [0, 1, 4]  # 3 needs the frames of 2


def test_the_end_waits_only_so_long(tmp_path):
    folder = stored_run(tmp_path, 3)
    measure_rest(folder, PAPER_CHUNKING, seconds=0)
    assert measured(folder) == []


@pytest.mark.parametrize("chunking", [Chunking(11, 3), Chunking(5, 0), Chunking(7, 6)])
def test_chunks_of_any_geometry_see_eight_frames_before_them(tmp_path, chunking):
    folder = stored_run(tmp_path, 12, chunking)
    measure_rest(folder, chunking)
    start = chunking.num_frames(11)
    first = max(0, start - 8)
    before = np.stack([paint(number) for number in range(first, start)])
    new = np.stack([paint(number) for number in range(start, chunking.num_frames(12))])
    expected = measure_chunk(before, new, paint(0))
    last = measured(folder)[-1]
    assert (last.index, last.num_frames) == (11, chunking.new_frames)
    assert last.seam_ratio == round(expected.seam_ratio.value, 4)


def test_large_frames_are_shrunk_and_their_motion_is_in_their_own_pixels(tmp_path, monkeypatch):
    found = []
    real = measuring.measure_chunk

    def recording(before, new, anchor, **options):
        found.append((new.shape[1:3], real(before, new, anchor)))
        return real(before, new, anchor, **options)

    monkeypatch.setattr(measuring, "measure_chunk", recording)
    for size in (8, 20):  # 256 and 640 pixels
        meter = Meter(stored_run(tmp_path / str(size), 1, size=size), PAPER_CHUNKING)
        motion = meter.measure_next().motion
        shape, numbers = found[-1]
        assert shape == (256, 256)
        assert motion == pytest.approx(numbers.motion.value * size / 8, abs=1e-3)


def test_a_process_that_lost_its_run_writes_no_numbers(tmp_path):
    folder = stored_run(tmp_path, 3)

    def lost():
        raise measuring.LeaseLostError("another process makes this run")

    folder.check_mine = lost
    with pytest.raises(measuring.LeaseLostError):
        measure_rest(folder, PAPER_CHUNKING)
    assert measured(folder) == []


def test_a_stagnant_chunk_says_so(tmp_path):
    folder = RunFolder(tmp_path)
    folder.segments_dir.mkdir()
    still = np.repeat(paint(1234)[None], 16, axis=0)
    folder.frame_store(PAPER_CHUNKING).save(0, still)
    path = folder.segment_path(0)
    folder.append(
        SegmentReady(stage="initialization", index=0, path=path, start_frame=0, num_frames=16)
    )
    measure_rest(folder, PAPER_CHUNKING)
    (numbers,) = measured(folder)
    assert numbers.is_stagnant and numbers.stagnant_share == 1
    assert numbers.motion == 0 and numbers.drift == 0 and numbers.sharpness == 1


def test_nonsense_in_the_log_is_refused(tmp_path):
    folder = stored_run(tmp_path, 1)
    with folder.log_path.open("a") as log:
        log.write(
            '{"type": "ChunkMeasured", "index": 0, "start_frame": 0, "num_frames": 16, "motion": '
            '"fast", "stagnant_share": 0, "seam_ratio": 1, "drift": 1, "sharpness": 1, '
            '"is_cut": 3}\n'
        )
    assert measured(folder) == []
    with pytest.raises(RunError, match="ChunkMeasured that cannot be understood"):
        from t2v.runs.log import EventLog

        log = EventLog(folder)
        log.read()
        log.read()


def test_two_threads_append_whole_lines(tmp_path):
    folder = RunFolder(tmp_path)

    def append(name: str):
        for number in range(150):
            folder.append(Notice(f"{name} {number} {'x' * 300}"))

    threads = [threading.Thread(target=append, args=[name]) for name in ("maker", "meter")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [event.text.split()[:2] for event in iter_events(folder)]
    for name in ("maker", "meter"):
        assert [n for who, n in texts if who == name] == list(map(str, range(150)))


def test_all_workers_of_a_folder_agree(tmp_path):
    """A run that one process begins and another continues has the numbers of an undisturbed one."""
    first = Worker(opener(PaintingStream()), tmp_path / "runs")
    run_id = made(first, num_chunks=4)
    undisturbed = measured(folder_of(first, made(first, num_chunks=6)))
    first.close()
    second = Worker(opener(PaintingStream()), tmp_path / "runs")
    second.commands.extend(run_id, 2)
    list(second.watch(run_id))
    second.close()
    assert measured(folder_of(second, run_id)) == undisturbed
