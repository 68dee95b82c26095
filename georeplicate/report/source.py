"""Source text of the library as notebooks show it: every function has one definition, which is shown and called."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Markdown


def show(*objects: Callable, docstrings: bool = True) -> Markdown:
    """The source of functions, methods or classes, coloured as Python; without their docstrings where these would
    repeat what the text says."""
    return Markdown("\n".join(f"```python\n{text(each, docstrings=docstrings)}```\n" for each in objects))


def text(of: Callable, *, docstrings: bool = True) -> str:
    """The source, moved to the left margin; ValueError for what was not written in Python."""
    try:
        source = textwrap.dedent(inspect.getsource(of))
    except (OSError, TypeError):
        raise ValueError(f"{of!r} has no source in Python to be shown") from None
    docstring = None if docstrings else of.__doc__
    if not docstring:
        return source
    for quotes in ('"""', "'''"):
        start = source.find(quotes)
        end = source.find(quotes, start + 3)
        if 0 <= start < end:
            line_end = source.find("\n", end) + 1
            return source[: source.rfind("\n", 0, start) + 1] + source[line_end:]
    return source
