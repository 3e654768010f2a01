"""Events of a run, for tests of what its viewers see."""

from t2v.runs.events import Progress


PROGRESS = Progress(
    stage="streaming_t2v",
    chunk_index=2,
    num_chunks=7,
    step=3,
    num_steps=8,
    elapsed=21.0,
    next_chunk_in=4.0,
    eta=30.0,
    step_seconds=0.123,
    memory=1_460_000_000,
)
