"""Executors on a Ray cluster: one named actor for each GPU, on any machine that sees the runs.

Ray starts the actors, and starts them again where they or their machines have died. Nothing else
goes through it: an actor takes runs from the folder, and everybody reads the folder.
"""

import importlib.util
import logging
from hashlib import sha256
from typing import Any

from t2v.errors import RunError


NOT_INSTALLED = "--ray needs Ray, which is not installed: pip install 'longtake[cluster]'"
NAMESPACE = "longtake"

log = logging.getLogger(__name__)


class RayExecutor:
    """Keeps one actor for each GPU of a cluster, or one on the CPU where there is none.

    Args:
        address: of the cluster; "auto" for the one of this machine.
        arguments: of `longtake work`. Paths among them must lead to the same folder on all
            machines.
    """

    def __init__(self, address: str, arguments: list[str]):
        if importlib.util.find_spec("ray") is None:
            raise RunError(NOT_INSTALLED)
        self._address = address
        self._arguments = arguments
        self._actors: list[Any] = []

    def start(self) -> None:
        import ray

        try:
            ray.init(address=self._address, namespace=NAMESPACE, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise RunError(f"there is no Ray cluster at {self._address!r}: {error}") from error
        resources = ray.cluster_resources()
        num_gpus = int(resources.get("GPU", 0))
        count = num_gpus or 1
        cpus = max(1, int(resources.get("CPU", 1)) // count)
        # Two apps with the same runs share the actors.
        key = sha256(" ".join(self._arguments).encode()).hexdigest()[:12]
        for number in range(count):
            kind = "GPU" if num_gpus else "CPU"
            options = {
                "name": f"longtake-{key}-{number}",
                "get_if_exists": True,
                "max_restarts": -1,
                "num_gpus": 1 if num_gpus else 0,
                "num_cpus": 0 if num_gpus else cpus,
            }
            actor = ray.remote(RunActor).options(**options)
            self._actors.append(actor.remote(self._arguments, f"Ray {kind} {number}"))

    def names(self, timeout: float) -> list[str]:
        """Asks every actor for its name, and so waits until all are there.

        Args:
            timeout: seconds.
        """
        import ray

        return list(ray.get([actor.describe.remote() for actor in self._actors], timeout=timeout))

    def close(self, timeout: float = 8.0) -> None:
        import ray

        if not ray.is_initialized():
            return
        closing = [actor.close.remote() for actor in self._actors]
        ray.wait(closing, num_returns=len(closing), timeout=timeout)
        for actor in self._actors:
            ray.kill(actor)
        ray.shutdown()


class RunActor:
    """Makes runs in a process that Ray starts. After a crash Ray calls this again."""

    def __init__(self, arguments: list[str], name: str):
        from t2v.cli import build_parser
        from t2v.cli.work import start_worker

        self._name = name
        self._worker = start_worker(build_parser().parse_args([*arguments, "--name", name]))

    def describe(self) -> str:
        return self._name

    def close(self) -> None:
        self._worker.close()
