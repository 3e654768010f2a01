"""Leases: one process at a time may write into the folder of a run."""

import errno
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from t2v.events import Notice
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventLog
from t2v.runs.sharing import lease as lease_module
from t2v.runs.sharing.holder import Holder
from t2v.runs.sharing.lease import LeaseLostError
from t2v.runs.sharing.leases import Leases
from tests.support.fakes import settings


RUN, OTHER_RUN = "a" * 24, "b" * 24
SECONDS = 0.3  # until a silent holder counts as dead


@pytest.fixture
def processes(tmp_path):
    """What the leases are for two processes that share a folder."""
    both = [Leases(tmp_path / "leases", SECONDS) for _ in range(2)]
    yield both
    for one in both:
        one.close()


def await_taking(leases, run_id=RUN):
    """Tries until the lease is there, as a worker does."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if (lease := leases.take(run_id)) is not None:
            return lease
        time.sleep(0.02)
    raise AssertionError("the lease was not taken over")


def silence(leases):
    """Stops the signs of life, as SIGSTOP or a lost network does."""
    leases.close()
    leases._renewing.join()


def test_a_lease_has_one_process_and_is_free_after_its_release(processes):
    first, second = processes
    lease = first.take(RUN)
    assert second.take(RUN) is None
    assert second.take(OTHER_RUN) is not None
    assert second.ids_held_elsewhere() == {RUN}
    assert (first.held_ids(), first.ids_held_elsewhere()) == ([RUN], {OTHER_RUN})
    first.release(RUN, lease)
    assert second.take(RUN) is not None


def test_threads_of_one_process_share_its_lease(processes):
    first, second = processes
    lease = first.take(RUN)
    with first.hold(RUN) as again:
        assert again is lease
    assert second.take(RUN) is None
    first.release(RUN, lease)
    assert second.take(RUN) is not None


def test_a_holder_that_shows_signs_of_life_keeps_its_lease(processes):
    first, second = processes
    lease = first.take(RUN)
    end = time.monotonic() + 4 * SECONDS
    while time.monotonic() < end:
        touched = os.stat(lease.path).st_mtime_ns
        assert second.take(RUN) is None or time.time_ns() - touched > SECONDS * 1e9
        time.sleep(0.02)


def test_a_silent_holder_loses_its_lease_and_notices_before_it_writes(processes, tmp_path):
    first, second = processes
    lease = first.take(RUN)
    folder = RunFolder.create(tmp_path / "runs", settings(), run_id=RUN)
    folder.check_mine = lease.check
    folder.update(seconds=1.0)
    silence(first)
    newer = await_taking(second)
    for write in (lambda: folder.update(seconds=2.0), lambda: folder.append(Notice("late"))):
        with pytest.raises(LeaseLostError):
            write()
    assert folder.read().seconds == 1.0
    assert EventLog(folder).read() == []
    assert first.take(RUN) is None  # it cannot come back while the other has it
    newer.check()
    first.release(RUN, lease)
    newer.check()


@pytest.mark.parametrize("num_rivals", [7])
def test_of_many_that_see_a_holder_dead_one_takes_over(processes, tmp_path, num_rivals):
    first, _ = processes
    first.take(RUN)
    silence(first)
    rivals = [Leases(tmp_path / "leases", SECONDS) for _ in range(num_rivals)]
    taken = []
    end = time.monotonic() + 60
    while not taken and time.monotonic() < end:
        taken = [lease for rival in rivals if (lease := rival.take(RUN))]
        time.sleep(0.02)
    assert len(taken) == 1
    assert [path.name for path in (tmp_path / "leases").iterdir()] == [f"{RUN}.2"]
    for rival in rivals:
        rival.close()


def test_the_lease_of_a_process_that_has_ended_is_free_at_once(tmp_path):
    code = (
        "import sys, pathlib; from t2v.runs.sharing.leases import Leases;"
        "assert Leases(pathlib.Path(sys.argv[1]), 3600).take(sys.argv[2]); print(flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "leases"), RUN]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as process:
        process.stdout.readline()
        leases = Leases(tmp_path / "leases", 3600)
        assert leases.take(RUN) is None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie counts as ended
        assert leases.take(RUN) is not None
        leases.close()


def test_a_number_that_another_process_has_got_is_not_mistaken_for_the_holder():
    holder = Holder.here()
    assert not holder.is_seen_dead()
    assert replace(holder, started="1").is_seen_dead()
    assert not replace(holder, started="1", place="another machine").is_seen_dead()


def test_a_lease_on_a_full_disk_is_empty_and_holds_all_the_same(processes, monkeypatch):
    first, second = processes

    def full(path, content):
        path.touch(exist_ok=False)
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(lease_module, "write_new", full)
        lease = first.take(RUN)
    lease.check()
    assert second.take(RUN) is None
    first.release(RUN, lease)
    assert second.take(RUN) is not None


def test_a_share_that_does_not_answer_is_no_lost_lease(processes, monkeypatch):
    lease = processes[0].take(RUN)

    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        with pytest.raises(OSError, match="Input/output"):
            lease.check()
    lease.check()
