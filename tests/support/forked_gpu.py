"""A stand-in for `spaces.GPU` of Hugging Face ZeroGPU that forks and pickles as the real one does.

Like `spaces.zero.wrappers.generator_function_wrapper`: arguments and values go through queues and
are pickled; one forked process serves later calls too; it runs ahead of whoever reads; an error
comes back as an error of the page with nothing but its class's name; closing is noticed after the
next value. There is no GPU: that is what it stands in for.
"""

import multiprocessing
from collections.abc import Callable, Generator

import gradio as gr
import torch


FORK = multiprocessing.get_context("fork")


class ForkedGpu:
    """Decorates generator functions; counts calls and processes, and ends them."""

    def __init__(self):
        self.num_calls = 0
        self.processes = []
        self.seconds = []  # that were asked for

    # Both processes' halves of one protocol are read together.
    def __call__(  # noqa: C901
        self, task: Callable[..., Generator], duration: Callable[..., int]
    ) -> Callable:
        arguments, results, stop = FORK.Queue(), FORK.Queue(), FORK.Event()

        def serve():
            torch.set_num_threads(1)  # threads of the parent are not here
            while (given := arguments.get()) is not None:
                stop.clear()
                events = task(*given)
                try:
                    for value in events:
                        if stop.is_set():
                            events.close()
                            break
                        results.put(("value", value))
                except Exception as error:
                    results.put(("error", type(error).__name__))
                else:
                    results.put(("end", None))

        def call(*given):
            self.num_calls += 1
            self.seconds.append(duration(*given))
            if not self.processes:
                self.processes.append(FORK.Process(target=serve, daemon=True))
                self.processes[0].start()
            arguments.put(given)
            has_ended = False
            try:
                while True:
                    kind, value = results.get(timeout=120)
                    has_ended = kind != "value"
                    if kind == "error":
                        raise gr.Error(f"<b>{value}</b>", title="ZeroGPU worker error")
                    if has_ended:
                        return
                    yield value
            finally:
                stop.set()
                while not has_ended:
                    has_ended = results.get(timeout=120)[0] != "value"

        return call

    def close(self):
        for process in self.processes:
            process.kill()
            process.join()
