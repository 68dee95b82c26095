"""Tables, sentences and figure of the registered experiments, below one folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from georeplicate import files
from georeplicate.report import arms, from_words, gains, pairing_gain, pairing_reach, plots, tables
from georeplicate.runs import arms as registered


def write(runs: str | Path, out: str | Path) -> list[Path]:
    """All that `arms`, `gains`, `pairing_gain` and `pairing_reach` make of the arms below `runs`, written below `out`;
    FileError where none is finished or an experiment is not registered, ValueError where one is not as registered."""
    records, out = registered.all_registered(), Path(out)
    p = arms.read(runs, records)
    measured = arms.samples(p)
    made = arms.levels(p, measured)
    paths = tables.write(made, out / "tables" / "levels", arms.LEVELS)
    if len(systems := arms.table2(made)):
        paths += tables.write(systems, out / "tables" / "table2", arms.TABLE2)
    policies = from_words.said(p)
    reach = pairing_reach.reach(p, policies, measured)
    paths += tables.write(reach, out / "tables" / "pairing_reach", pairing_reach.CAPTION)
    judged = arms.all_verdicts(p, measured, records)
    if len(judged):
        paths += tables.write(judged, out / "tables" / "arms", arms.VERDICTS)
        if len(mean := gains.pooled(p, measured)):
            paths += tables.write(mean, out / "tables" / "pooled", gains.POOLED)
        if len(found := gains.claims(judged)):
            paths += tables.write(found, out / "tables" / "claims", gains.CLAIMS)
        spoken = arms.while_pairing(p, records)
        paths += tables.write(spoken, out / "tables" / "while_pairing", arms.WHILE_PAIRING)
        split = pairing_gain.decompose(p, policies, gains.OF_THE_REWARD)
        if len(split):
            paths += tables.write(split, out / "tables" / "pairing_gain", pairing_gain.CAPTION)
        said = [arms.room(made), gains.headline(judged, mean), arms.without_control(made)]
        said += [pairing_gain.sentence(split), pairing_gain.among_six(spoken, gains.OF_THE_REWARD)]
        said += [pairing_reach.sentence(reach, registered.TABLE2["zero"])]
        said += [gains.positive_controls(judged), gains.cancels(judged)]
        said += [arms.outcomes(judged, records), arms.parts(judged)]
        text = "\n\n".join(filter(None, said)) + "\n"
        paths.append(files.write_bytes(out / "tables" / "sentences.md", text.encode()))
    return paths + plots.save(partial(arms.figure, made), out / "figures" / "arms")
