"""Runs that the first version (0.1.0) wrote: they open, play, resume, and can be read by it again.

The texts below are files of that version, word for word.
"""

import json

import pytest

from t2v.media.reader import read_frames
from t2v.runs.events import Finished, Rewound, SegmentReady, Started
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventLog, iter_events
from t2v.runs.record import RunRecord
from t2v.settings.chunking import PAPER_CHUNKING
from tests.support.fakes import PaintingStream, made, read_number, settings


RUN_ID = "0123456789abcdef01234567"
RUN_JSON = """\
{
  "id": "0123456789abcdef01234567",
  "settings": {
    "config": {
      "prompt": "a red star",
      "negative_prompt": "",
      "num_chunks": 3,
      "num_inference_steps": 2,
      "guidance_scale": 7.5,
      "scheduler": "ddim",
      "seed": 5,
      "reseed": "2: 9",
      "apm_strength": 1.0,
      "use_cam": true,
      "frame_size": null,
      "refine": true,
      "blending": "causal"
    },
    "preset": "painted",
    "fps": 8,
    "display_size": [
      64,
      64
    ],
    "refiner": {
      "frame_size": [
        64,
        64
      ],
      "display_size": [
        96,
        96
      ],
      "num_inference_steps": 3,
      "start_timestep": 599,
      "chunk_frames": 24,
      "overlap": 8,
      "guidance_scale": 1.0,
      "guidance_rescale": 0.0,
      "schedule": "stack",
      "prediction_type": "v_prediction",
      "cut_rule": "paper",
      "scale_start": false
    },
    "write_metadata": true
  },
  "version": "0.1.0",
  "created": "2026-11-29T10:18:01.419775+00:00",
  "state": "finished",
  "message": "",
  "num_frames": 32,
  "num_refined_frames": 32,
  "seconds": 0.3714369929998611,
  "visitor": "us",
  "is_favourite": false,
  "weights": {
    "unet/model.safetensors": "abababababababababababababababababababababababababababababababab"
  },
  "versions": {
    "python": "3.11.7",
    "machine": "x86_64",
    "torch": "2.10.0",
    "diffusers": "0.42.1",
    "transformers": "5.23.0",
    "numpy": "2.4.6",
    "av": "18.1.0"
  },
  "rewind_to": null,
  "begun_at": 2,
  "num_tries": 0
}
"""
EVENTS = """\
{"type": "Rewound", "take": 1, "num_frames": 24, "num_refined_frames": 16}
{"type": "SegmentReady", "stage": "initialization", "index": 0, "path": "00000000.mp4", "start_frame": 0, "num_frames": 16, "sha256": "f8c0a8b9d79b629fa9b13109f8d05ca86dd06d2d480e1c095dadb28d45d07019"}
{"type": "SegmentReady", "stage": "streaming_t2v", "index": 1, "path": "00000016.mp4", "start_frame": 16, "num_frames": 8, "sha256": "a9549c0a3fef55b98c68d9094b13c7d43bfd8bad201533322da34202a72d01cc"}
{"type": "SegmentReady", "stage": "refinement", "index": 0, "path": "refined-00000000.mp4", "start_frame": 0, "num_frames": 16, "sha256": "b509e181608b3036076d3e21fe25cbed22913b77571b35228c31751fd146a218"}
{"type": "Started", "num_chunks": 3, "num_frames": 32, "fps": 8}
{"type": "SegmentReady", "stage": "streaming_t2v", "index": 2, "path": "00000024.mp4", "start_frame": 24, "num_frames": 8, "sha256": "531907e3d27d8a34f2e63a8704bd0b3b1153c88589868588325de64b4c2ef7a8"}
{"type": "SegmentReady", "stage": "refinement", "index": 1, "path": "refined-00000016.mp4", "start_frame": 16, "num_frames": 16, "sha256": "a843ff22aa265c9d9646167197159da1b5bcbfdc1ba6decb9ed1dfe7d9216f42"}
{"type": "Finished", "state": "finished", "path": "video.mp4", "num_frames": 32, "seconds": 0.3714369929998611, "refined_path": "refined.mp4", "num_refined_frames": 32}
"""  # noqa: E501


@pytest.fixture
def old_run(tmp_path):
    """The record and the log of a run that was redone from chunk 2 on, without its other files."""
    folder = RunFolder(tmp_path / RUN_ID)
    folder.path.mkdir()
    (folder.path / "run.json").write_text(RUN_JSON)
    folder.log_path.write_text(EVENTS)
    return folder


def test_an_old_record_is_read_with_all_its_values(old_run):
    record = old_run.read()
    assert record.settings == settings(refine=True, reseed="2: 9")
    assert record.settings.chunking == PAPER_CHUNKING
    assert (record.attempt_chunk, record.num_attempts, record.rewind_to) == (2, 0, None)
    assert (record.state, record.num_frames, record.num_refined_frames) == ("finished", 32, 32)
    assert (record.visitor, record.versions["torch"]) == ("us", "2.10.0")


def test_a_record_is_written_under_the_old_names(old_run):
    written = old_run.update(num_attempts=3, attempt_chunk=1).to_json()
    values = json.loads((old_run.path / "run.json").read_text())
    assert (values["num_tries"], values["begun_at"]) == (3, 1)
    assert values.keys() == written.keys()
    assert values.keys() - json.loads(RUN_JSON).keys() == {"peak_memory", "peak_gpu_memory"}
    new_settings = values["settings"].keys() - json.loads(RUN_JSON)["settings"].keys()
    assert new_settings == {"chunking", "begins_with"}
    assert RunRecord.from_json(values) == old_run.read()


def test_an_old_log_is_read_with_all_its_events(old_run):
    events = list(iter_events(old_run))
    assert events[0] == Rewound(revision=1, num_frames=24, num_refined_frames=16)
    assert Started(num_chunks=3, num_frames=32, fps=8) in events
    segments = [event for event in events if isinstance(event, SegmentReady)]
    assert [(s.track, s.path.name) for s in segments] == [
        ("preview", "00000000.mp4"),
        ("preview", "00000016.mp4"),
        ("refined", "refined-00000000.mp4"),
        ("preview", "00000024.mp4"),
        ("refined", "refined-00000016.mp4"),
    ]
    assert all(segment.path.parent == old_run.segments_dir for segment in segments)
    assert isinstance(events[-1], Finished)
    assert events[-1].refined_path == old_run.video_path("refined")


def test_events_are_written_exactly_as_before(old_run):
    events = EventLog(old_run).read()
    old_run.log_path.unlink()
    for event in events:
        old_run.append(event)
    assert old_run.log_path.read_text() == EVENTS


def test_an_old_run_can_be_extended(start_worker):
    worker = start_worker(PaintingStream())
    run_id = made(worker, refine=True, reseed="2: 9")
    folder = RunFolder(worker.runs_dir / run_id)
    (folder.path / "run.json").write_text(RUN_JSON.replace(RUN_ID, run_id))
    folder.log_path.write_text(EVENTS)
    worker.commands.extend(run_id, 1)
    *_, end = worker.watch(run_id)
    seeds = [5] * 24 + [9] * 16
    for path in (end.path, end.refined_path):
        assert [read_number(frame) for frame in read_frames(path)] == list(enumerate(seeds))
    (rewound,) = [event for event in iter_events(folder) if isinstance(event, Rewound)]
    assert rewound.revision == 2
