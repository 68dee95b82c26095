"""The base model's training stream: general skills only, and nothing about whether a panorama and a tile agree."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import SHAPE

from georeplicate import geo, world
from georeplicate.mini import base, sight, tiny, wording
from georeplicate.model import policy


@pytest.fixture(scope="module", params=[base.GEOGRAPHIC, base.LONGER], ids=["geographic", "longer"])
def curriculum(request):
    return request.param


@pytest.fixture(scope="module")
def stream(curriculum):
    sites = base.base_sites(1, 60, 0)
    true = [world.words_at(row) for row in sites.itertuples()]  # nothing has to be built to know them
    known = base.known_sites(replace(curriculum, known_sites=1), 0)
    return base.Stream(sites, true, views=curriculum.views, known=known)


@pytest.fixture(scope="module")
def examples(stream, curriculum):
    """What the stages show, in their proportions and as they show it."""
    rng = np.random.default_rng(0)
    shown = []
    for stage in (*curriculum.stages, curriculum.rule):
        stage.prepare(stream)
        shown += [e for _ in range(12) for e in stream.batch(rng, stage.mix)]
    base.Stage("as at first", {}, 0).prepare(stream)
    return shown


def cross_view(examples):
    return [e for e in examples if {"panorama", "tile"} <= {view for view, _, _ in e.pictures}]


def test_no_prompt_holds_a_panorama_and_a_tile_of_one_neighbourhood(stream, examples):
    """Stronger than asked: every two places of such a prompt lie more than 50 km apart."""
    mixed = cross_view(examples)
    assert len(mixed) > 400
    for e in mixed:
        sites = [site for _, site, _ in e.pictures]
        assert len(set(sites)) == len(sites)
        for i, a in enumerate(sites):
            others = sites[i + 1 :]
            if others:
                km = geo.haversine_km(stream.lat[a], stream.lon[a], stream.lat[others], stream.lon[others])
                assert np.min(km) > 50


def searches(e):
    """Of each completion: (text, words of the place, [[letter, words, verdict] of every tile])."""
    for text in e.completions:
        parts, place = [], []
        for word in text.split("</think>")[0].removeprefix("<think>").split():
            if word == "place":
                place = []
            elif word in wording.LETTERS:
                parts.append([word, [], ""])
            elif word in (wording.MATCH, wording.DIFFERENT):
                parts[-1][2] = word
            else:
                (parts[-1][1] if parts else place).append(word)
        yield text, place, parts


def agreement_and(stream, examples, label):
    """Of each tile spoken of beside a panorama: the share of the true words that the two pictures have in common,
    and label(text, part). Parts with the label None are left out."""
    agreement, labels = [], []
    for e in cross_view(examples):
        place = stream.described[e.pictures[0][1]]
        for text, _, parts in searches(e):
            for part in parts:
                if (found := label(text, part)) is not None:
                    tile = stream.described[e.pictures[1 + wording.LETTERS.index(part[0])][1]]
                    agreement.append(np.mean([a == b for a, b in zip(place, tile, strict=True)]))
                    labels.append(found)
    return np.array(agreement), np.array(labels)


def answered(text, part) -> bool:
    return text.endswith(f"<answer> {part[0]} </answer>")


def matched(text, part) -> bool | None:
    return part[2] == wording.MATCH if part[2] else None


def p_value(agreement, answer) -> float:
    """Permutation test: does the label (the answer, a verdict) depend on how well a tile agrees?"""
    gap = agreement[answer].mean() - agreement[~answer].mean()
    rng = np.random.default_rng(0)
    drawn = [agreement[a].mean() - agreement[~a].mean() for a in (rng.permutation(answer) for _ in range(2000))]
    return float(np.mean(np.abs(drawn) >= abs(gap)))


def test_what_is_answered_across_views_does_not_depend_on_agreement(stream, examples):
    agreement, answer = agreement_and(stream, examples, answered)
    assert answer.sum() > 400
    assert p_value(agreement, answer) > 0.01


@pytest.mark.parametrize("in_order", [False, True])
def test_verdicts_beside_a_panorama_and_tiles_do_not_depend_on_the_pictures(stream, in_order, monkeypatch):
    """Verdicts on lists sampled at random, and those tossed by a coin."""
    rng = np.random.default_rng(2)
    monkeypatch.setattr(stream, "in_order", in_order)
    for task in (stream.beside, stream.toss):
        agreement, match = agreement_and(stream, [task(rng) for _ in range(300)], matched)
        assert 0.4 < match.mean() < 0.6 and len(match) > 2000
        assert p_value(agreement, match) > 0.01


def test_of_tossed_verdicts_the_loss_counts_none_and_of_lists_by_lot_nothing_else(stream):
    rng = np.random.default_rng(5)
    assert stream.toss(rng).but == wording.VERDICTS and not stream.toss(rng).only
    assert stream.beside(rng).only == wording.VERDICTS


def test_lists_behind_letters_describe_no_tile(stream):
    """Their words are right about their tiles as often as about any other places."""
    rng = np.random.default_rng(4)
    examples = [stream.beside(rng) for _ in range(300)]
    gaps = []  # of each prompt, as its lists resemble each other
    for e in examples:
        gap = []
        for letter, listed, _ in (part for _, _, parts in searches(e) for part in parts):
            site = e.pictures[1 + wording.LETTERS.index(letter)][1]
            another = int(rng.choice(np.flatnonzero(stream.far[e.pictures[0][1]])))  # as far from the panorama
            own, other = (len(set(listed) & set(stream.described[s])) / len(listed) for s in (site, another))
            gap.append(own - other)
        gaps.append(np.mean(gap))
    signs = rng.choice([-1, 1], size=(2000, len(gaps)))
    assert np.mean(np.abs((signs * gaps).mean(1)) >= abs(np.mean(gaps))) > 0.01


def test_no_other_task_says_a_verdict_about_a_panorama_and_a_tile(stream, curriculum):
    rng = np.random.default_rng(3)
    tasks = {name for stage in curriculum.stages for name in stage.mix} - {"beside", "toss"}
    for e in cross_view(stream.batch(rng, dict.fromkeys(tasks, 60))):
        assert not {wording.MATCH, wording.DIFFERENT} & set(" ".join(e.completions).split())


def test_the_permutation_test_can_fail(stream):
    """Negative control: a stream that says `match` more often where the pictures agree is found out."""
    rng = np.random.default_rng(1)
    agreement, match = agreement_and(stream, [stream.beside(rng) for _ in range(300)], matched)
    leaky = match | (agreement > 0.4) & (rng.random(len(match)) < 0.4)
    assert p_value(agreement, leaky) < 0.01


def test_verdicts_within_one_view_are_truthful(examples):
    within = [e for e in examples if e.prompt == wording.PAIR and len({view for view, _, _ in e.pictures}) == 1]
    assert len(within) > 20
    for e in within:
        for _, place, parts in searches(e):
            assert all((verdict == wording.MATCH) == (spoken == place) for _, spoken, verdict in parts)


def test_the_answer_is_the_letter_looked_at_last_whatever_the_verdict(examples):
    """Stopping is random: in the base's form an answer says nothing about agreement."""
    for e in examples:
        if e.prompt == wording.PAIR:
            assert all(answered(text, parts[-1]) for text, _, parts in searches(e))


def test_places_come_from_the_split_base_only(stream):
    reserved = world.cities()[lambda c: c.split != "base"]
    lat, lon = reserved.lat.to_numpy(), reserved.lon.to_numpy()
    _, km = geo.neighbours(lat, lon, stream.lat, stream.lon, k=1)
    assert km.min() > 50


def test_a_search_in_order_begins_at_a_and_stops_anywhere(stream, monkeypatch):
    rng = np.random.default_rng(6)
    monkeypatch.setattr(stream, "in_order", True)
    tasks = ("toss", "form", "beside", "tiles", "panoramas", "text of 5")
    looked_at = [
        "".join(letter for letter, _, _ in parts)
        for e in stream.batch(rng, dict.fromkeys(tasks, 20))
        for _, _, parts in searches(e)
    ]
    assert set(looked_at) == {"A", "AB", "ABC", "ABCD", "ABCDE"}


def test_geography_shows_a_phone_s_picture_alone_and_has_a_loss_of_its_own(stream, examples):
    geography = [e for e in examples if e.skill == "geography"]
    assert len(geography) > 100
    assert {tuple(view for view, _, _ in e.pictures) for e in geography} == {(), ("crop",)}
    others = [e for e in examples if e not in geography and e.prompt != wording.WHERE]
    assert all(e.skill == ("verdicts" if e.only else "search") for e in others)


def test_no_picture_is_shown_with_its_place(stream):
    """Places are told of in text, or beside the photo of a place far away; a photo alone is put into words and no
    further."""
    rng = np.random.default_rng(8)
    at = {base.city_token(c.city): (c.lat, c.lon) for c in world.cities().itertuples() if c.split == "base"}
    for e in stream.batch(rng, {"know beside": 60}):
        lat, lon = at[e.completions[0].removesuffix(" </answer>").split()[-1]]
        site = e.pictures[0][1]
        assert geo.haversine_km(lat, lon, stream.lat[site], stream.lon[site]) > 50 - world.RADIUS_KM
    for e in stream.batch(rng, {"see": 20, "know": 20}):
        assert bool(e.pictures) != ("<answer>" in e.completions[0])
        assert e.pictures == () or e.only == stream.spoken_words


def test_with_the_answering_rule_a_search_ends_at_its_first_match(stream, monkeypatch):
    monkeypatch.setattr(stream, "rule", True)
    rng = np.random.default_rng(9)
    tasks = ("toss", "beside", "tiles", "panoramas", "text of 5")
    found = [parts for e in stream.batch(rng, dict.fromkeys(tasks, 30)) for _, _, parts in searches(e)]
    assert not any(verdict == wording.MATCH for parts in found for *_, verdict in parts[:-1])
    assert sum(parts[-1][2] == wording.MATCH for parts in found) > 100


def test_captions_are_true(stream, examples):
    for e in examples:
        if e.prompt == wording.DESCRIBE:
            assert tuple(e.completions[0].split()) == stream.described[e.pictures[0][1]]


def test_the_vocabulary_holds_every_word_of_the_stream(examples):
    known, marks = set(base.vocabulary()), tiny.splitter()
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    for e in examples:
        for text in (e.prompt, *e.completions):
            for tag in tags:
                text = text.replace(tag, " ")
            assert {piece for piece, _ in marks.pre_tokenize_str(text)} <= known, text


def test_the_stream_is_reproducible(stream):
    one, two = (stream.batch(np.random.default_rng(7), {"form": 3, "tiles": 3, "know beside": 2}) for _ in range(2))
    assert one == two


@pytest.fixture
def short(monkeypatch):
    """curriculum -> the same in few steps, of a small policy on 12 places."""
    sites = base.base_sites(1, 0, 0).iloc[:12].reset_index(drop=True)
    monkeypatch.setattr(base, "base_sites", lambda *_: sites)
    monkeypatch.setattr(base, "SHAPE", SHAPE)

    def shortened(stage):
        return replace(stage, mix=dict.fromkeys(stage.mix, 1), steps=2)

    def shorten(curriculum):
        stages = tuple(map(shortened, curriculum.stages))
        rule = shortened(curriculum.rule)
        return replace(curriculum, vision_steps=2, vision_batch=8, stages=stages, rule=rule)

    return shorten


def test_a_build_that_was_killed_ends_in_the_same_weights(short, tmp_path, monkeypatch):
    taught = short(base.GEOGRAPHIC)
    taught = replace(taught, stages=taught.stages[:3])
    whole = base.build(tmp_path / "whole", curriculum=taught)

    save, saved = policy.Policy.save, []

    def killed(self, path):
        save(self, path)
        saved.append(path)
        if len(saved) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(policy.Policy, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            base.build(tmp_path / "killed", curriculum=taught)
    again = base.build(tmp_path / "killed", curriculum=taught)
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (tmp_path / "killed" / "logs" / f"{taught.stages[-1].name}.csv").exists()


def test_the_answering_rule_is_taught_after_all_else_to_a_base_of_its_own(short, tmp_path):
    taught = short(base.GEOGRAPHIC)
    taught = replace(taught, stages=taught.stages[-1:])
    plain = base.build(tmp_path, curriculum=taught)
    bytes_before = (plain / "model.safetensors").read_bytes()
    shutil.copytree(plain, tmp_path / "alone" / "policy")  # without the stages that led to it, as it is shipped
    ruled, alone = (base.build(folder, curriculum=taught, rule=True) for folder in (tmp_path, tmp_path / "alone"))
    assert (ruled / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    assert ruled != plain and (ruled / "model.safetensors").read_bytes() != bytes_before
    assert (plain / "model.safetensors").read_bytes() == bytes_before


@pytest.fixture(scope="module")
def sighted():
    """A small policy and the pictures of twelve places."""
    made = tiny.build(base.vocabulary(), seed=0, **SHAPE)
    sites = base.base_sites(1, 0, 0).iloc[:12].reset_index(drop=True)
    return made, base.Album(made, sites, seed=0, sizes={"panorama": 32, "tile": 48})


def test_pictures_that_are_not_shown_are_not_drawn(sighted):
    made, album = sighted
    shown = {("tile", 3, 1), ("panorama", 0, 0)}
    some = base.Album(made, album.sites, seed=0, sizes={"panorama": 32, "tile": 48}, shown=shown)
    assert some.pixels.keys() == shown and some.words == album.words
    for picture in shown:
        assert torch.equal(some.pixels[picture]["pixel_values"], album.pixels[picture]["pixel_values"])


def test_remembered_features_change_nothing(sighted):
    made, album = sighted
    stream = base.Stream(album.sites, album.words)
    examples = stream.batch(np.random.default_rng(0), {"form": 2, "tiles": 1, "caption": 2})
    with torch.no_grad():
        before = base.loss(made, album, examples)
        album.look(made)
        after = base.loss(made, album, examples)
        made.model.model.visual.merger.mlp[-1].weight.zero_()  # negative control: the tower is not asked again
        still = base.loss(made, album, examples)
    album.features = {}
    assert torch.allclose(before, after, rtol=1e-3) and torch.equal(after, still)


def test_settled_tokens_are_centred_and_as_long_as_said(sighted):
    made, album = sighted
    with torch.no_grad():
        made.model.model.visual.merger.mlp[-1].weight.normal_()
    sight.settle(made, album, pictures=12)
    with torch.no_grad():
        seen = torch.cat(sight.see(made, [album.pixels[v, i, 0] for v in ("tile", "panorama") for i in range(12)]))
    assert seen.norm(dim=1).mean() == pytest.approx(sight.SETTLED, rel=1e-3)
    assert seen.mean(0).norm() < 1e-3 * sight.SETTLED
