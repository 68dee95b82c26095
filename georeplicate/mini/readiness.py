"""Is a policy ready for reinforcement learning? Measured on validation places, before any long run starts
(`tests/bench/bench_readiness.py`).

GRPO raises the probability of what is sometimes done right; what is never done it cannot find. For the pairing question
this means: describe both views truly, and call a tile `match` more often when it is the right one. A base that does
this may still pair at chance, as long as its answer does not depend on what it has found.

    words       share of described words that are true, by view and attribute
    match       how often the right tile, and a wrong one, is called `match` where a verdict is given; sampled at T=1
    pairing     accuracy, greedy and sampled; near 1 / k for a base without the answering rule; and the same answers,
                read by the first tile that they call a match
    country     of street-level photos, beside the most frequent country
    places      share within some kilometres, read strictly: an answer that names two places counts as wrong. The
                registered endpoints of `runs.arms` read the first place that is named instead,
                so their shares are higher for a policy that goes on to a second answer

In an earlier world runs took off from 0.57 and 0.66 of right tiles called a match, and 0.07 and 0.04 of wrong ones, and
none from below GATE. In this one bases with the answering rule learnt from 0.56 and 0.42, below it (`results/LOG.md`):
for them the gate is no condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from PIL import Image

from georeplicate.evaluation import predict
from georeplicate.evaluation.faithfulness import thoughts
from georeplicate.evaluation.predictors import VLM
from georeplicate.mini import readings, tasks, wording
from georeplicate.mini.wording import WORDING
from georeplicate.model import policy as policies
from georeplicate.tasks.answers import LETTERS

GATE = {"match, right tile": 0.5, "match, right tile minus wrong tile": 0.4}


def verdicts(answers: pd.DataFrame, described: dict[str, Sequence[Sequence[str]]]) -> pd.DataFrame:
    """Every word and verdict of sampled pairing answers: {view, attribute, true} and {right, match} rows in one table.

    answers: rows of the pairing task; described: question id -> the true words of the panorama and of each tile.
    """
    rows = []
    for answer in answers.itertuples():
        for name, described_as, verdict in thoughts(answer.text, WORDING):
            view = "panorama" if name == "place" else "tile"
            at = 0 if name == "place" else 1 + LETTERS.index(name)
            if at >= len(described[answer.id]):
                continue
            truth = dict(zip(WORDING.words, described[answer.id][at], strict=True))
            rows += [
                {"view": view, "attribute": kind, "true": truth[kind] == word} for kind, word in described_as.items()
            ]
            if verdict and view == "tile":
                rows.append({"right": name == answer.truth, "match": verdict == wording.MATCH})
    return pd.DataFrame(rows, columns=["view", "attribute", "true", "right", "match"])


def measure(
    policy: policies.Policy, questions: Sequence[dict], views: Sequence[dict], *, max_new_tokens: int
) -> pd.DataFrame:
    """{what, value, n} of a policy on pairing rows (with `true_words`) and `inputs.place_rows`."""
    predictor = VLM(policy, max_new_tokens)
    sampled, greedy = (
        predict.evaluate(predictor, tasks.pairing(), questions, decoding=how) for how in ("t1", "greedy")
    )
    found = verdicts(sampled, {row["id"]: row["true_words"] for row in questions})
    seen, judged = found.dropna(subset="view"), found.dropna(subset="right")
    rows = [
        (f"words true, {view}, {attribute}", group.true.astype(float).mean(), len(group))
        for (view, attribute), group in seen.groupby(["view", "attribute"], sort=False)
    ]
    match = {right: judged[judged.right == right].match.astype(float) for right in (True, False)}
    rows += [
        ("match, right tile", match[True].mean(), len(match[True])),
        ("match, wrong tile", match[False].mean(), len(match[False])),
        ("match, right tile minus wrong tile", match[True].mean() - match[False].mean(), len(judged)),
    ]
    rows += [
        (f"pairing accuracy, {how}", (table.choice == table.truth).mean(), len(table))
        for how, table in (("greedy", greedy), ("T=1", sampled))
    ]
    rows += [
        (f"pairing accuracy read by its verdicts, {how}", (table.choice == table.truth).mean(), len(table))
        for how, table in (
            ("greedy", readings.read_by_verdicts(greedy)),
            ("T=1", readings.read_by_verdicts(sampled)),
        )
    ]
    task = tasks.places(lambda split: [])["geolocation"]
    located = predict.evaluate(predictor, task, views, decoding="greedy")
    for countries, part in (
        ("all", located),
        ("seen", located[located.seen_country]),
        ("unseen", located[~located.seen_country]),
    ):
        rows.append((f"country accuracy, {countries} countries", (part.choice == part.truth).mean(), len(part)))
    for km in (750, 2500):
        rows.append((f"places within {km} km", (located.error_km <= km).mean(), len(located)))
    rows.append(
        ("country accuracy, most frequent country", located.truth.value_counts(normalize=True).iloc[0], len(located))
    )
    return pd.DataFrame(rows, columns=["what", "value", "n"])


def words_read(
    policy: policies.Policy,
    pictures: Mapping[str, Sequence[Image.Image]],
    true_words: Sequence[Sequence[str]],
    prompt: str = wording.DESCRIBE,
) -> pd.DataFrame:
    """{what, value, n}: how often a picture that is shown alone is put into true words, by view and attribute.

    pictures: {view: a picture of each place}; true_words: of the same places. A word that is not said is not right.
    Beside each share stands that of the commonest word (`most frequent`), and one row a view has the mean over
    attributes.
    """
    rows = []
    for view, shown in pictures.items():
        requests = [{"pixels": policy.pixels([picture]), "prompt": prompt} for picture in shown]
        answers = policy.generate(requests, max_new_tokens=2 * len(WORDING.words) + 8, temperature=0.0).texts
        found = [readings.first_words(text, WORDING.attribute_of) for text in answers]
        shares = []
        for k, kind in enumerate(WORDING.words):
            true = [described[k] for described in true_words]
            right = np.array([one.get(kind) == word for one, word in zip(found, true, strict=True)])
            most = pd.Series(true).value_counts(normalize=True).iloc[0]
            shares.append(right.mean())
            rows.append((f"words read alone, {view}, {kind}", right.mean(), len(right)))
            rows.append((f"most frequent, {view}, {kind}", most, len(right)))
        rows.append((f"words read alone, {view}, mean", np.mean(shares), len(shown)))
    return pd.DataFrame(rows, columns=["what", "value", "n"])


def is_ready(measured: pd.DataFrame) -> bool:
    """Whether every value of GATE is reached; one that could not be measured is not."""
    values = measured.set_index("what").value
    return all(bool(np.nan_to_num(values[what]) >= least) for what, least in GATE.items())
