"""Several processes of one machine that take the same optimizer steps, each on views of its own.

Small matrices leave a second core half idle: two processes of one thread see a third more views a second than one of
two threads. The loop of perception runs in a process that the user started, which shows the progress and writes the
files; the others are started here and take the same steps. Training on several machines is what `accelerate` is for.
"""

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed


@contextmanager
def crew(count: int, work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Within it, this process is the first of `count` that average their gradients; the others run `work(*arguments)`.

    `work` and its arguments can be pickled. Gradients wait for one another, so all have to take as many steps.
    """
    if count <= 1:
        yield
        return
    spawn = multiprocessing.get_context("spawn")
    threads = torch.get_num_threads()
    meeting = tempfile.mkdtemp(prefix="loupe-crew-")
    others = [
        spawn.Process(target=_join, args=(meeting, number, count, work, arguments), daemon=True)
        for number in range(1, count)
    ]
    for other in others:
        other.start()
    try:
        _enter(meeting, 0, count)
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for other in others:
            other.terminate()
            other.join()
        torch.set_num_threads(threads)
        shutil.rmtree(meeting, ignore_errors=True)


def rank() -> int:
    """The number of this process in the crew; 0 for the first and where there is none."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def average_gradients(parameters: Sequence[torch.Tensor]) -> None:
    """Replace each gradient by the mean over the crew; parameters without one keep none."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _join(meeting: str, number: int, count: int, work: Callable[..., None], arguments: Sequence[Any]) -> None:
    _enter(meeting, number, count)
    work(*arguments)


def _enter(meeting: str, number: int, count: int) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}/store", rank=number, world_size=count)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
