"""What huggingface_hub leaves open about the line: waits that end, and what really went wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

PATIENCE_S = 60.0  # a server that asks for a longer wait is asked again by a person
TIMEOUT_S = 10.0  # of requests that name none; downloads have huggingface_hub's own, also 10 s


class TooLong(Exception):
    """The server asks for a wait that nobody should sit through: `seconds`."""

    def __init__(self, seconds: float):
        super().__init__(f"the server asks for a wait of {seconds:.0f} s")
        self.seconds = seconds


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """No request of huggingface_hub waits without an end: its client has no time-out of its own, and it would sleep for
    as long as a server's Retry-After says. Raises TooLong instead."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    def refuse(response: Any) -> None:
        if response.status_code in (429, 503):
            with contextlib.suppress(ValueError):
                if (wanted := float(response.headers.get("retry-after", 0))) > PATIENCE_S:
                    raise TooLong(wanted)

    before = _http._GLOBAL_CLIENT_FACTORY

    def client() -> Any:
        made = before()
        made.timeout = TIMEOUT_S
        hooks = made.event_hooks
        made.event_hooks = {**hooks, "response": [*hooks.get("response", []), refuse]}
        return made

    set_client_factory(client)
    try:
        yield
    finally:
        set_client_factory(before)


def root(error: BaseException) -> BaseException:
    """The first of the errors that led to this one: huggingface_hub wraps what happened on the line."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def is_down(error: BaseException) -> bool:
    """Whether there was no connection at all: no name, no route, nobody listening."""
    import httpx2

    while error is not None:
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # None ends the loop
    return False
