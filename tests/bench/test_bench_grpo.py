"""The step benchmark: its questions have the lengths it claims, its meter adds up, a finished shape is left alone."""

import importlib.util
import time

import bench_grpo
import pandas as pd
import pytest
import torch
from test_prefix import distance, run, tokens_of
from toy import questions, tiny_policy

from georeplicate.model import shared_prefix


def test_prompts_have_exactly_the_asked_length():
    policy = bench_grpo.make_policy("4.5M")
    assert sum(p.numel() for p in policy.model.parameters()) / 1e6 == pytest.approx(4.5, abs=0.2)
    for P in (100, 256):
        rows = bench_grpo.make_rows(policy, 2, P)
        assert policy.encode(rows).attention_mask.sum(1).tolist() == [P, P]
        assert len(rows[0]["images"]) == 1 + bench_grpo.TILES
    with pytest.raises(ValueError, match="too few"):
        bench_grpo.make_rows(policy, 1, 20)


def test_the_large_sizes_are_those_of_the_published_models():
    for name, millions in {"3B": 3754.6, "7B": 8292.2}.items():
        with torch.device("meta"):
            model = bench_grpo.make_policy(name).model
        assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
        assert model.dtype == torch.bfloat16


def test_nested_parts_count_for_the_innermost():
    class Thing:
        def outer(self):
            time.sleep(0.02)
            self.inner()

        def inner(self):
            time.sleep(0.05)

    thing, meter = Thing(), bench_grpo.Meter(torch.device("cpu"), memory=False)
    meter.wrap(thing, "outer", "preparation")
    meter.wrap(thing, "inner", "generation")
    meter.last = time.perf_counter()
    thing.outer()
    meter.tick()
    assert meter.seconds["preparation"] == pytest.approx(0.02, abs=0.015)
    assert meter.seconds["generation"] == pytest.approx(0.05, abs=0.03)
    assert meter.seconds["update"] < 0.02


def test_medians_leave_out_the_first_step():
    steps = [dict.fromkeys([*bench_grpo.PARTS, "vision"], value) for value in (100.0, 1.0, 2.0, 6.0)]
    found = bench_grpo.medians(steps)
    assert found["generation"] == 2.0 and found["step"] == 2.0 * len(bench_grpo.PARTS)


def test_a_measured_shape_is_known_and_replaced_not_doubled(tmp_path):
    out = tmp_path / "grpo_step.csv"
    columns = {"device": bench_grpo.device_name(), "model": "4.5M", "C": 4, "G": 8, "part": "step", "peak_mb": 1.0}
    rows = [columns | {"impl": impl, "P": P, "seconds": 1.0} for P in (64, 96) for impl in ("ours", "trl")]
    bench_grpo.replace_rows(out, pd.DataFrame(rows[:3]), bench_grpo.KEY)
    assert bench_grpo.known(out, "4.5M", 64, 4)
    assert not bench_grpo.known(out, "4.5M", 96, 4)  # only ours is there
    bench_grpo.replace_rows(out, pd.DataFrame([row | {"seconds": 2.0} for row in rows[2:]]), bench_grpo.KEY)
    assert pd.read_csv(out).groupby("P").seconds.agg(["size", "mean"]).to_numpy().tolist() == [[2, 1.0], [2, 2.0]]


@pytest.mark.skipif(not importlib.util.find_spec("prefix_grouper"), reason="prefix-grouper is not installed")
def test_the_third_candidate_computes_the_same():
    one, other = tiny_policy(sharpen=6.0), tiny_policy(sharpen=6.0)
    prompts, completions = one.encode(questions(1)), tokens_of(one, [[4, 4, 4]])
    theirs = run(bench_grpo.prefix_grouper_logprobs, one, prompts, completions)
    assert distance(theirs, run(shared_prefix.logprobs_repeated, other, prompts, completions)) <= 1e-5


@pytest.mark.slow
def test_a_tiny_shape_is_measured_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["bench_grpo", "--shapes", "100x4", "--steps", "3", "--out", str(tmp_path / "t.csv")]
    )
    bench_grpo.main()
    table = pd.read_csv(tmp_path / "t.csv").query("impl != 'prefix_grouper'")
    numbers = ["seconds", "peak_mb", "tokens_per_s", "floor_share"]
    assert list(table.columns) == ["device", "model", "impl", "P", "C", "G", "part", *numbers]
    for _, rows in table.groupby("impl"):
        seconds = rows.set_index("part").seconds
        assert set(seconds.index) == {*bench_grpo.PARTS, "vision", "step"} and (seconds > 0).all()
        assert seconds["step"] == pytest.approx(seconds[list(bench_grpo.PARTS)].sum(), rel=0.3)
        assert rows[rows.part == "step"].peak_mb.item() > 0
        assert set(rows[rows.floor_share.notna()].part) == set(bench_grpo.PASSES)
        assert rows.floor_share.dropna().between(0, 1, inclusive="neither").all()
        assert rows[rows.part == "step"].tokens_per_s.item() == pytest.approx(8 * 4 / seconds["step"], rel=0.01)


def test_the_floor_counts_a_prompt_once_and_every_answer(tmp_path):
    policy = bench_grpo.make_policy("4.5M")
    policy.save(tmp_path / "policy")
    one, longer, wider = (
        bench_grpo.pass_flops(tmp_path / "policy", *shape) for shape in ((256, 0), (256, 64), (512, 0))
    )
    own = 2 * sum(p.numel() for p in policy.model.model.language_model.layers.parameters())
    assert longer - one > own * 64 * bench_grpo.GROUP  # each answer's tokens, and their attention
    assert own * 256 < one < 3 * own * 256 and own * 256 < wider - one
