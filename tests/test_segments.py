"""Segments: every one plays by itself, and together they are the video."""

import av
import numpy as np
import pytest

from t2v.errors import MediaError
from t2v.media.reader import read_frames
from t2v.media.segments import join_segments, write_segment
from t2v.media.video import read_metadata
from tests.support.fakes import paint, read_numbers


FPS = 8


@pytest.fixture
def segments(tmp_path):
    paths = []
    for start, stop in [(0, 16), (16, 24), (24, 32)]:
        paths.append(tmp_path / f"{start:04d}.mp4")
        frames = np.stack([paint(number) for number in range(start, stop)])
        write_segment(paths[-1], frames, fps=FPS)
    return paths


def test_a_segment_starts_with_its_only_key_frame_and_has_no_b_frames(segments):
    for path in segments:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        assert [packet.is_keyframe for packet in packets] == [True] + [False] * (len(packets) - 1)
        assert all(packet.pts == packet.dts for packet in packets)


def test_a_segment_lasts_as_long_as_its_frames(segments):
    with av.open(str(segments[1])) as container:
        assert container.duration / av.time_base == pytest.approx(8 / FPS)


def test_joined_segments_have_every_frame_once_and_no_gap(segments, tmp_path):
    path = tmp_path / "video.mp4"
    assert join_segments(iter(segments), path) == 32
    assert read_numbers(read_frames(path)) == list(range(32))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = container.demux(stream)
        times = [float(p.pts * stream.time_base) for p in packets if p.dts is not None]
        assert times == pytest.approx([number / FPS for number in range(32)])
        assert container.duration / av.time_base == pytest.approx(32 / FPS)


def test_joining_keeps_the_metadata(segments, tmp_path):
    join_segments(segments, tmp_path / "video.mp4", metadata={"prompt": "a star", "seed": 3})
    assert read_metadata(tmp_path / "video.mp4") == {"prompt": "a star", "seed": 3}


def test_nothing_to_join_writes_nothing(tmp_path):
    assert join_segments([], tmp_path / "video.mp4") == 0
    assert not list(tmp_path.iterdir())


def test_a_broken_segment_is_a_media_error_and_leaves_no_file(segments, tmp_path):
    segments[1].write_bytes(b"broken")
    with pytest.raises(MediaError, match="join"):
        join_segments(segments, tmp_path / "video.mp4")
    assert sorted(tmp_path.iterdir()) == segments


def test_an_empty_segment_is_refused(tmp_path):
    with pytest.raises(MediaError, match="at least one frame"):
        write_segment(tmp_path / "0.mp4", np.empty((0, 32, 32, 3), np.uint8), fps=FPS)
