import pytest

from t2v.settings.chunking import PAPER_CHUNKING, Chunking


REFINER = Chunking(chunk_frames=24, overlap=8)
NO_OVERLAP = Chunking(chunk_frames=33, overlap=0)


@pytest.mark.parametrize("chunking", [PAPER_CHUNKING, REFINER, NO_OVERLAP, Chunking(7, 3)])
def test_every_frame_is_added_by_exactly_one_chunk(chunking):
    added = []
    for chunk in range(6):
        start, stop = chunking.num_frames(chunk), chunking.num_frames(chunk + 1)
        assert stop - start == (chunking.new_frames if chunk else chunking.chunk_frames)
        added += [chunk] * (stop - start)
    assert [chunking.chunk_at(frame) for frame in range(len(added))] == added


@pytest.mark.parametrize("chunking", [PAPER_CHUNKING, REFINER, NO_OVERLAP, Chunking(7, 3)])
def test_the_fewest_chunks_that_have_so_many_frames(chunking):
    for num_frames in range(1, 120):
        num_chunks = chunking.num_chunks(num_frames)
        assert chunking.num_frames(num_chunks) >= num_frames
        assert num_chunks == 1 or chunking.num_frames(num_chunks - 1) < num_frames


@pytest.mark.parametrize("chunking", [PAPER_CHUNKING, REFINER, NO_OVERLAP, Chunking(7, 3)])
def test_only_whole_chunks_are_complete(chunking):
    for num_chunks in range(5):
        num_frames = chunking.num_frames(num_chunks)
        assert chunking.num_complete(num_frames) == num_chunks
        if num_frames:
            assert chunking.num_complete(num_frames - 1) == num_chunks - 1


def test_the_papers_numbers():
    assert [PAPER_CHUNKING.num_frames(n) for n in (0, 1, 2, 8, 10_000)] == [0, 16, 24, 72, 80_008]
    assert [REFINER.num_chunks(n) for n in (1, 24, 25, 40, 41)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("sizes", [(8, 8), (8, 9), (8, -1)])
def test_an_overlap_that_leaves_no_new_frames_is_refused(sizes):
    with pytest.raises(ValueError, match="overlap must lie in"):
        Chunking(*sizes)
