"""Which prediction belongs to which example, when one file says "a/1.jpg" and the other "1"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_EXTENSION = re.compile(r"\.(?:jpe?g|png|webp|tiff?|bmp|gif|heic|avif)$", re.IGNORECASE)


def bare(name: str) -> str:
    """An id without the extension of a picture."""
    return _EXTENSION.sub("", name)


def _file(name: str) -> str:
    return bare(re.split(r"[/\\]", name)[-1])


def _flat(name: str) -> str:
    """MP-16 writes the folders of an id either with "/" or with "_"."""
    return bare(re.sub(r"[/\\]", "_", name))


# From the strictest to the loosest: what two ids must have in common.
_FORMS = (str, bare, _flat, _file)


def match(predicted: Sequence[str], true: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each predicted id (P,) the position of its example among the true ids, -1 where there is none.

    Equal ids first; then without a picture's extension, with "/" read as "_", and without folders. A looser form never
    decides between two examples: where it fits several, the id stays unmatched and the second array (P,) is True.
    """
    given, known = np.asarray(predicted, object), np.asarray(true, object)
    if len(given) == len(known) and (given == known).all():
        return np.arange(len(known)), np.zeros(len(known), bool)
    found = np.full(len(given), -1, np.int64)
    ambiguous = np.zeros(len(given), bool)
    for form in _FORMS:
        left = np.flatnonzero(found < 0)
        if not left.size:
            break
        ours = given[left] if form is str else np.array([form(one) for one in given[left]], np.object_)
        theirs = pd.Index(known if form is str else [form(one) for one in known], dtype=object)
        several = theirs.duplicated(keep=False)
        once = np.flatnonzero(~several)
        at = theirs[once].get_indexer(pd.Index(ours, dtype=object))
        found[left] = np.where(at >= 0, once[at] if once.size else -1, -1)
        if several.any():
            ambiguous[left] |= np.isin(ours.astype(str), theirs[several].unique().to_numpy().astype(str))
    return found, ambiguous & (found < 0)
