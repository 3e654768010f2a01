"""Finished files: what was written is what is read back."""

from fractions import Fraction

import av
import numpy as np
import pytest

from t2v.errors import MediaError
from t2v.media.images import contact_sheet, resize, write_thumbnail
from t2v.media.reader import Video, read_frames
from t2v.media.video import VideoWriter, read_metadata
from tests.support.fakes import paint, read_numbers


@pytest.fixture
def path(tmp_path):
    return tmp_path / "video.mp4"


def painted(start: int, stop: int) -> np.ndarray:
    return np.stack([paint(number) for number in range(start, stop)])


def test_frames_come_back_in_order_across_chunks(path):
    with VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 16))
        writer.write(painted(16, 24))
    assert read_numbers(read_frames(path)) == list(range(24))
    assert writer.num_frames == 24


def test_the_file_is_h264_that_every_browser_plays(path):
    with VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 16))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 8
        assert container.duration / av.time_base == pytest.approx(2.0)


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 160, 40), (30, 60, 220), (250, 240, 90)])
def test_colors_survive(path, color):
    with VideoWriter(path, fps=8) as writer:
        writer.write(np.full((4, 32, 48, 3), color, np.uint8))
    difference = read_frames(path).astype(int) - np.array(color)
    assert np.abs(difference).max() <= 4


def test_metadata_survives_whatever_people_type(path):
    metadata = {"prompt": 'a "red" star\n\0 🦄 \u202e <script> \ud800', "seed": 7}
    with VideoWriter(path, fps=8, metadata=metadata) as writer:
        writer.write(painted(0, 2))
    assert read_metadata(path) == metadata


def test_a_video_from_another_program_has_no_metadata(path):
    with VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 2))
    assert read_metadata(path) == {}


def test_no_file_exists_until_it_is_complete(path):
    with VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 16))
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["video.mp4"]


def test_an_interrupted_video_keeps_its_frames(path):
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 16))
        raise KeyboardInterrupt
    assert read_numbers(read_frames(path)) == list(range(16))


def test_no_frames_leave_no_file(path):
    with VideoWriter(path, fps=8):
        pass
    assert not list(path.parent.iterdir())


def test_an_odd_size_grows_by_one_pixel(path):
    with VideoWriter(path, fps=8) as writer:
        writer.write(np.zeros((3, 11, 13, 3), np.uint8))
    assert read_frames(path).shape == (3, 12, 14, 3)


def test_frames_of_another_size_are_refused(path):
    with (
        pytest.raises(MediaError, match=r"48x32.*32x32"),
        VideoWriter(path, fps=8) as writer,
    ):
        writer.write(np.zeros((2, 32, 48, 3), np.uint8))
        writer.write(painted(0, 2))
    assert len(read_frames(path)) == 2


def test_a_missing_folder_is_a_media_error_without_its_path(tmp_path):
    path = tmp_path / "nowhere" / "video.mp4"
    with (
        pytest.raises(MediaError, match="No such file") as error,
        VideoWriter(path, fps=8) as writer,
    ):
        writer.write(painted(0, 2))
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_a_file_that_is_no_video_is_a_media_error(path, content):
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"video\.mp4"):
        next(Video(path).frames())


def test_resized_frames_have_the_requested_size():
    frames = resize(painted(0, 3), (96, 64))
    assert frames.shape == (3, 96, 64, 3)
    assert read_numbers(frames) == [0, 1, 2]


def test_thumbnails_keep_the_shape(tmp_path):
    from PIL import Image

    write_thumbnail(tmp_path / "thumbnail.jpg", np.zeros((100, 200, 3), np.uint8), max_side=50)
    with Image.open(tmp_path / "thumbnail.jpg") as picture:
        assert picture.size == (50, 25)


def test_a_contact_sheet_is_ordered_like_a_page():
    frames = np.stack([np.full((5, 7, 3), number, np.uint8) for number in range(5)])
    sheet = contact_sheet(frames, columns=3, gap=1)
    assert sheet.shape == (5 + 1 + 5, 3 * 7 + 2, 3)
    assert [sheet[2, x, 0] for x in (3, 11, 19)] == [0, 1, 2]
    assert [sheet[8, x, 0] for x in (3, 11, 19)] == [3, 4, 255]


def test_size_speed_and_length_are_known_before_frames_are_read(path):
    with VideoWriter(path, fps=Fraction(30000, 1001)) as writer:
        writer.write(np.zeros((17, 20, 28, 3), np.uint8))
    video = Video(path)
    assert (video.size, video.fps, video.num_frames) == ((20, 28), Fraction(30000, 1001), 17)
    assert writer.seconds == pytest.approx(17 * 1001 / 30000)


def test_sound_without_pictures_is_not_a_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"^sound\.mp4 is no video: it has no pictures$"):
        Video(path)


def test_a_truncated_video_is_reported(path):
    with VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 16))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(MediaError, match=r"^video\.mp4 "):
        Video(path)


@pytest.mark.parametrize("num_frames, lengths", [(5, [5, 5, 5, 2]), (17, [17]), (40, [17])])
def test_pieces_have_all_frames_in_order(path, num_frames, lengths):
    with VideoWriter(path, fps=8) as writer:
        writer.write(painted(0, 17))
    pieces = list(Video(path).pieces(num_frames))
    assert [len(piece) for piece in pieces] == lengths
    assert read_numbers(np.concatenate(pieces)) == list(range(17))
