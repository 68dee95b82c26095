"""What a rule is worth: the same predictions under every setting of every switch of the protocol."""

from __future__ import annotations

import pandas as pd

from georeplicate.evaluation import answers, geocoders
from georeplicate.evaluation.metrics import MEASURES
from georeplicate.evaluation.protocol import PROTOCOLS, SWITCHES, Protocol
from georeplicate.evaluation.rows import Rows, predictions_from, truth_from
from georeplicate.evaluation.score import score


def protocol_effects(
    predictions: Rows | pd.DataFrame,
    truth: Rows | pd.DataFrame,
    base: str | Protocol = "ours",
    *,
    geocode: answers.Geocode | None = None,
) -> pd.DataFrame:
    """One table: how far does each switch move each column of one and the same predictions?

    switch, setting, n, then for each of MEASURES its value and, under `<measure>_change`, value minus the base
    protocol's. The first row (switch "base") is the base itself; then each other setting of each switch alone; last
    (switch "all") each named protocol as a whole. Shares are 0..1. Errors as in `score`. A geocoder on the
    network is not tried as a switch; it is asked where the base protocol names it.
    """
    base = Protocol.get(base)
    given = predictions if isinstance(predictions, Rows) else predictions_from(predictions)
    true = truth if isinstance(truth, Rows) else truth_from(truth)
    variants = [("base", base.name, base)]
    for switch, settings in SWITCHES.items():
        others = [setting for setting in settings if setting not in (getattr(base, switch), *geocoders.SERVICES)]
        variants += [(switch, setting, base.but(**{switch: setting})) for setting in others]
    variants += [("all", name, protocol) for name, protocol in PROTOCOLS.items() if protocol != base]
    lines = []
    for switch, setting, protocol in variants:
        found = score(given, true, protocol, geocode=geocode).summary
        lines.append({"switch": switch, "setting": setting, "n": found["n"]} | {name: found[name] for name in MEASURES})
    table = pd.DataFrame(lines)
    for name in MEASURES:
        at = table.columns.get_loc(name)
        table.insert(at + 1, f"{name}_change", table[name] - table[name].iloc[0])
    return table
