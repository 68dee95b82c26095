"""Several processes, one for each GPU, as `accelerate launch` starts them: which of them writes, who has which device,
and where the weights lie.

Nothing heavy is imported before there are several processes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from georeplicate.files import Problem

T = TypeVar("T")
# What `engine` says, by who keeps what: see the files in georeplicate/training/launch.
ENGINES = ("one", "ddp", "fsdp2", "zero2", "zero3")
# Process 0 may fetch a model, check a checkpoint or evaluate while the others wait for it: no limit of ours.
PATIENCE = timedelta(days=30)


class LaunchError(Problem):
    """The processes cannot train as they were started; one sentence with its remedy."""


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def index() -> int:
    """Which of them this one is, over all machines; 0 writes, fetches and prints."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process is the one that writes, fetches and prints."""
    return index() == 0


def take_device() -> str:
    """The device of this process, before anything is loaded: without this every process would load onto the first
    GPU. LaunchError where there are more processes than GPUs on this machine."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= torch.cuda.device_count():
        raise LaunchError(
            f"process {local} of this machine has no GPU, as there are {torch.cuda.device_count()}: start as many "
            "processes as there are GPUs (--gpus)"
        )
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def gpus() -> int:
    """How many GPUs this process sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def engine() -> str:
    """Which of ENGINES keeps the weights, as `accelerate launch` was told; LaunchError for one that cannot be had."""

    def on(name: str) -> bool:
        return os.environ.get(name, "false").lower() in ("true", "1")

    if on("ACCELERATE_USE_FSDP"):
        if os.environ.get("FSDP_VERSION", "1") != "2":
            raise LaunchError("FSDP of version 1 is not honoured: set fsdp_version to 2, as in --launch fsdp2")
        if on("FSDP_CPU_RAM_EFFICIENT_LOADING"):
            raise LaunchError(
                "fsdp_cpu_ram_efficient_loading is not honoured, as TRL's reference policy would stay empty in all "
                "processes but one: set it to false, as in --launch fsdp2"
            )
        return "fsdp2"
    if on("ACCELERATE_USE_DEEPSPEED"):
        if importlib.util.find_spec("deepspeed") is None:
            raise LaunchError("DeepSpeed is not installed: pip install 'georeplicate[gpu]', or take --launch fsdp2")
        stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
        return "zero3" if stage == "3" else "zero2"
    return "ddp" if count() > 1 else "one"


def shards_weights() -> bool:
    """Whether no process has all weights between two steps."""
    return engine() in ("fsdp2", "zero3")


def load_whole() -> None:
    """To be called before a checkpoint is read in one process alone, or before it is checked: while a trainer under
    ZeRO-3 lives, transformers would have all processes read it together, in shares."""
    if engine() == "zero3":
        from transformers.integrations.deepspeed import unset_hf_deepspeed_config

        unset_hf_deepspeed_config()


@functools.cache
def _control() -> Any:
    """A group of its own for messages between processes, whose waits have no end and need no GPU."""
    import torch.distributed as dist
    from accelerate import PartialState

    take_device()
    if not dist.is_initialized():
        import torch

        PartialState(cpu=not torch.cuda.is_available())
    return dist.new_group(backend="gloo", timeout=PATIENCE)


def by_first(function: Callable[[], T]) -> T:
    """What the function returns in process 0, for all of them; the others wait. It must be picklable.

    An error ends all processes, and process 0 says what it was.
    """
    if count() == 1:
        return function()
    import torch.distributed as dist

    group = _control()
    result: list[Any] = [None, True]
    try:
        if is_first():
            result = [function(), False]
    except BaseException:
        dist.broadcast_object_list([None, True], src=0, group=group)
        raise
    if is_first():
        dist.broadcast_object_list(result, src=0, group=group)
        return result[0]
    dist.broadcast_object_list(result, src=0, group=group)
    if result[1]:
        raise SystemExit(1)
    return result[0]


def by_each(function: Callable[[], T]) -> list[T]:
    """What the function returns in each process, for all of them, in order; it must be picklable.

    An error in any of them ends all, once the others are done, and process 0 says whose it was (LaunchError).
    """
    if count() == 1:
        return [function()]
    import traceback

    import torch.distributed as dist

    group = _control()
    result: tuple[Any, str] = (None, "")
    try:
        result = (function(), "")
    except Exception as error:
        traceback.print_exc()
        result = (None, f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}")
    gathered: list[Any] = [None] * count()
    dist.all_gather_object(gathered, result, group=group)
    failed = [f"process {i + 1} of {count()} failed: {why}" for i, (_, why) in enumerate(gathered) if why]
    if failed and is_first():
        raise LaunchError("; ".join(failed))
    if failed:
        raise SystemExit(1)
    return [found for found, _ in gathered]


@contextlib.contextmanager
def whole(model: Any, wrapped: Any, accelerator: Any) -> Iterator[None]:
    """All weights of a model in every process for the duration, so that each can sample at its own pace.

    model: the one with FSDP's hooks; wrapped: DeepSpeed's engine. Under FSDP2 each module's weights are gathered once,
    in the type they are computed in, and not let go of between the modules' calls; under ZeRO-3 by DeepSpeed itself.
    """
    kind = engine()
    if kind == "zero3":
        from trl.models import unwrap_model_for_generation

        with unwrap_model_for_generation(wrapped, accelerator):
            yield
        return
    if kind != "fsdp2":
        yield
        return
    from torch.distributed.fsdp import FSDPModule

    parts = [part for part in model.modules() if isinstance(part, FSDPModule)]
    if not parts:  # not wrapped yet, or not at all
        yield
        return
    model.set_reshard_after_forward(False)
    for part in parts:
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            if part is not model:  # the root's weights are needed again as soon as the backward pass begins
                part.set_reshard_after_forward(bool(accelerator.state.fsdp_plugin.reshard_after_forward), recurse=False)


def through_root(model: Any, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function as if it were the model's forward pass: FSDP2 counts from the first call of its root."""
    from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

    if not isinstance(model, FSDPModule):
        return function(*args, **kwargs)
    held: Any = model
    if not hasattr(held, "call_as_forward"):
        held.call_as_forward = lambda called, *a, **k: called(*a, **k)
        register_fsdp_forward_method(held, "call_as_forward")
    return held.call_as_forward(function, *args, **kwargs)
