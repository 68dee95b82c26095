"""The stand-ins of Table 1: each idea against a known answer, and what is refused."""

import sys
import types

import numpy as np
import pandas as pd
import pyproj
import pytest
import s2cell
import torch
from PIL import Image

from georeplicate import files, geo
from georeplicate.evaluation import baselines, predictors
from georeplicate.evaluation.baselines import geoclip, hybrid, isns, learned, published, sphere
from georeplicate.evaluation.baselines.features import Tower
from georeplicate.evaluation.baselines.learned import STAND_INS
from georeplicate.evaluation.baselines.settings import SETTINGS, Training
from georeplicate.model.checkpoint import CheckpointError
from georeplicate.tasks.geolocation import Geolocation

BASE = files.PACKAGE / "mini" / "weights" / "mini-base"
KINDS = ("ISNs", "GeoCLIP", "Hybrid", "RFM-YFCC")


@pytest.fixture(scope="module")
def towns():
    """24 towns far from each other with 60 photos each, whose features say where they are, with some noise."""
    rng = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(np.linspace(-0.85, 0.85, 24))), (np.arange(24) * 137.5) % 360 - 180
    lat, lon = (np.repeat(one, 60) + rng.normal(0, 0.05, 1440) for one in (lat, lon))
    lon = (lon + 180) % 360 - 180
    points = sphere.unit(torch.from_numpy(np.stack([lat, lon], 1))).float()
    features = points @ torch.from_numpy(rng.normal(size=(3, 12))).float()
    return features + 0.02 * torch.from_numpy(rng.normal(size=(1440, 12))).float(), lat, lon


SHORT = {
    "ISNs": Training(steps=75, dropout=0.0),
    "GeoCLIP": Training(steps=40, hidden=64, dropout=0.0),
    "Hybrid": Training(steps=125, dropout=0.0),
    "RFM-YFCC": Training(steps=150, hidden=64, dropout=0.0),
}


@pytest.fixture(scope="module")
def trained(towns):
    return {name: learned.fit(STAND_INS[name], *towns, seed=0, training=SHORT[name]) for name in KINDS}


# --- what each of them is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_places_that_the_features_tell_are_found(name, trained, towns):
    features, lat, lon = (one[::9] for one in towns)
    model, losses = trained[name]
    found = model.locate(features)
    assert (np.abs(found[:, 0]) <= 90).all() and (np.abs(found[:, 1]) <= 180).all()
    km = geo.haversine_km(lat, lon, found[:, 0], found[:, 1])
    far = {"RFM-YFCC": 1500}.get(name, 300)  # towns are 1,600 km apart and more; a flow's answer is no town
    assert (km < far).mean() > 0.9, np.quantile(km, (0.5, 0.9))
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:3])


def test_the_nearest_neighbour_is_itself(towns):
    features, lat, lon = towns
    model, losses = learned.fit(STAND_INS["nearest neighbour"], features, lat, lon, seed=0)
    assert losses == [] and model.locate(features) == pytest.approx(np.stack([lat, lon], 1), abs=1e-4)


def test_equal_earth_is_the_projection_of_that_name():
    places = torch.tensor([[0.0, 0.0], [48.9, 2.3], [-33.9, 151.2], [89.0, -170.0], [-90.0, 10.0]])
    x, y = pyproj.Proj("+proj=eqearth +R=1")(places[:, 1].numpy(), places[:, 0].numpy())
    assert geoclip.equal_earth(places).numpy() == pytest.approx(np.stack([x, y], 1), abs=1e-6)


def test_parents_of_cells_are_those_of_the_library():
    found = isns.cells(np.array([48.9, -33.9, 0.0]), np.array([2.3, 151.2, 180.0]))
    for level in (0, 1, 7, 29, 30):
        library = [s2cell.cell_id_to_parent_cell_id(int(cell), level) for cell in found]
        assert isns.parents(found, level).tolist() == library


def test_a_partition_has_no_crowded_cell_and_drops_lonely_ones(towns):
    _, lat, lon = towns
    lat, lon = np.append(lat, -89.0), np.append(lon, 0.0)  # one place where nobody else is
    found = isns.cells(lat, lon)
    coarse, fine = isns.partition(found, 180, 3), isns.partition(found, 45, 3)
    for part, most in ((coarse, 180), (fine, 45)):
        names, counts = np.unique(part[part > 0], return_counts=True)
        assert counts.max() <= most and counts.min() >= 3 and len(names) > 5
    assert coarse[-1] == fine[-1] == 0
    inside = pd.DataFrame({"fine": fine, "coarse": coarse})[fine > 0]
    assert (inside.groupby("fine").coarse.nunique() == 1).all()  # a fine cell lies in one coarse cell


def test_fine_cells_are_weighed_with_those_around_them(trained, towns):
    model, _ = trained["ISNs"]
    shown = model.standardised(towns[0][:5])
    hidden = model.trunk(shown)
    shares = [head(hidden).softmax(1) for head in model.heads]
    product = torch.stack(
        [
            shares[0][:, model.around[0, cell]] * shares[1][:, model.around[1, cell]] * shares[2][:, cell]
            for cell in range(model.around.shape[1])
        ],
        1,
    )
    assert torch.allclose(model.scores(shown).exp(), product, rtol=1e-4, atol=1e-9)
    assert model.around[2].tolist() == list(range(model.around.shape[1]))


def test_a_quadtree_divides_at_the_middle_until_few_are_left():
    lat, lon = np.array([10.0, 20.0, 80.0, -10.0, 10.0]), np.array([10.0, 20.0, 100.0, -10.0, -10.0])
    leaves = hybrid.quadtree(lat, lon, 2)
    assert leaves[0] == leaves[1] != leaves[2] and len(set(leaves.tolist())) == 4
    assert set(hybrid.quadtree(lat, lon, 5).tolist()) == {0}
    same = hybrid.quadtree(np.zeros(9), np.zeros(9), 2, depth=4)  # cannot be divided: the depth ends it
    assert set(same.tolist()) == {0}


def test_offsets_lead_back_to_the_places(towns):
    features, lat, lon = towns
    model = hybrid.Hybrid.made_for(12, lat, lon, Training(), 0)
    model.prepare(features, lat, lon)
    reach = torch.where(model.wanted > 0, model.up[model.labels], model.down[model.labels])
    back = model.centre[model.labels] + model.wanted * reach
    assert back.numpy() == pytest.approx(np.stack([lat, lon], 1), abs=1e-3)
    assert model.wanted.abs().max() <= 1 + 1e-5


def test_moving_on_the_sphere():
    start = sphere.unit(torch.tensor([[0.0, 0.0], [45.0, 170.0]], dtype=torch.float64))
    end = sphere.unit(torch.tensor([[0.0, 90.0], [-20.0, -170.0]], dtype=torch.float64))
    for t, there in ((0.0, start), (1.0, end)):
        point, velocity = sphere.between(start, end, torch.full((2, 1), t, dtype=torch.float64))
        assert torch.allclose(point, there) and torch.allclose((point * velocity).sum(1), torch.zeros(2).double())
    angle = geo.haversine_km(*sphere.degrees(start).T.numpy(), *sphere.degrees(end).T.numpy()) / 6371.0088
    assert velocity.norm(dim=1).numpy() == pytest.approx(angle, rel=1e-9)
    _, velocity = sphere.between(start, end, torch.zeros(2, 1).double())
    assert torch.allclose(sphere.step(start, velocity), end)
    assert sphere.degrees(start).numpy() == pytest.approx(np.array([[0, 0], [45, 170]]))


def test_velocities_of_the_flow_are_tangent(trained, towns):
    model, _ = trained["RFM-YFCC"]
    shown = model.picture(model.standardised(towns[0][:6]))
    point = sphere.unit(torch.tensor([[float(10 * i), float(50 * i)] for i in range(6)]))
    velocity = model.velocity(point, torch.full((6, 1), 0.3), shown)
    assert (velocity * point).sum(1).abs().max() < 1e-5 and velocity.norm(dim=1).min() > 0.01
    assert (model.locate(towns[0][:3]) == model.locate(towns[0][:3])).all()  # no start is drawn anew


# --- training, and the disk ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone(towns):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    training = Training(steps=5)
    one, losses = learned.fit(hybrid.Hybrid, *towns, seed=3, training=training)
    assert torch.rand(1) == expected
    again, _ = learned.fit(hybrid.Hybrid, *towns, seed=3, training=training)
    other, _ = learned.fit(hybrid.Hybrid, *towns, seed=4, training=training)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(one.leaf.weight, other.leaf.weight) and len(losses) == 5


def test_what_cannot_be_learnt_from_is_refused(towns):
    features, lat, lon = towns
    with pytest.raises(ValueError, match="Hybrid: features and places must be finite"):
        learned.fit(hybrid.Hybrid, features, np.where(lat > 0, np.nan, lat), lon, seed=0)
    with pytest.raises(ValueError, match="ISNs: 1440 features for 3 places"):
        learned.fit(isns.ISNs, features, lat[:3], lon[:3], seed=0)
    with pytest.raises(ValueError, match="no cell holds 5"):
        learned.fit(isns.ISNs, features[::60][:4], lat[::60][:4], lon[::60][:4], seed=0)


@pytest.mark.parametrize("name", [*KINDS, "nearest neighbour"])
def test_features_that_are_no_numbers_give_no_place(name, towns):
    features, lat, lon = (one[::40] if name == "nearest neighbour" else one for one in towns)
    model, _ = learned.fit(STAND_INS[name], features, lat, lon, seed=0, training=Training(steps=0))
    shown = features[:3].clone()
    shown[1, 4] = float("nan")
    found = model.locate(shown)
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()


def test_a_feature_that_never_changed_counts_for_nothing(towns):
    features, lat, lon = towns
    features = features.clone()
    features[:, 3] = 1.0
    model, _ = learned.fit(hybrid.Hybrid, features, lat, lon, seed=0, training=Training(steps=2))
    moved = features[:1].clone()
    moved[0, 3] = 1.01
    assert model.standardised(moved).abs().max() < 10
    with pytest.raises(ValueError, match="latitudes are -90 to 90"):
        learned.fit(hybrid.Hybrid, features, lat + 400, lon, seed=0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A stand-in that was trained on features of the mini base's own tower, and pictures of one colour each."""
    tower = Tower(BASE)
    pictures = [Image.new("RGB", (64, 64), (40 * i, 10, 250 - 40 * i)) for i in range(6)]
    lat, lon = np.linspace(-50, 50, 6), np.linspace(-100, 100, 6)
    model, _ = learned.fit(STAND_INS["nearest neighbour"], tower.of(pictures), lat, lon, seed=0)
    path = learned.save(model, tmp_path_factory.mktemp("stand-in") / "policy", tower, "six colours")
    return path, pictures, lat, lon


def test_a_stand_in_comes_back_from_its_folder_by_name(saved):
    path, pictures, lat, lon = saved
    found = baselines.get("nearest neighbour", path).predict([*pictures, None])
    assert found.lat[:6].to_numpy() == pytest.approx(lat, abs=1e-4) and found.lon[:6].to_numpy() == pytest.approx(lon)
    assert np.isnan(found.lat[6]) and found.country[6] == ""
    assert not list(path.parent.glob(".policy-*"))


def test_where_the_tower_lies_is_no_part_of_a_stand_ins_identity(saved, tmp_path):
    path, *_ = saved
    model = learned.opened(STAND_INS["nearest neighbour"], path).model
    elsewhere = learned.save(model, tmp_path / "much" / "deeper" / "policy", Tower(BASE), "six colours")
    assert (elsewhere / learned.TOWER).read_bytes() != (path / learned.TOWER).read_bytes()
    assert baselines.identity("nearest neighbour", elsewhere) == baselines.identity("nearest neighbour", path)
    assert learned.opened(STAND_INS["nearest neighbour"], elsewhere).tower.path == BASE.resolve()
    (elsewhere / learned.TOWER).unlink()
    with pytest.raises(CheckpointError, match="does not say where its vision tower lies"):
        baselines.get("nearest neighbour", elsewhere)


def test_a_folder_of_another_kind_tower_or_content_is_refused(saved, tmp_path):
    path, *_ = saved
    with pytest.raises(CheckpointError, match="a stand-in of nearest neighbour, not of ISNs"):
        baselines.get("ISNs", path)
    other = types.SimpleNamespace(path="elsewhere", identity="other")
    with pytest.raises(CheckpointError, match="another vision tower"):
        learned.opened(STAND_INS["nearest neighbour"], path, other)
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in path.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[:-1] if "safetensors" in file.name else file.read_bytes())
    with pytest.raises(CheckpointError, match="damaged"):
        baselines.get("nearest neighbour", broken)


def test_a_stand_in_answers_geolocation_rows_and_no_other(saved):
    path, pictures, lat, lon = saved
    tower = Tower(BASE)
    predictor = baselines.Located(learned.opened(STAND_INS["nearest neighbour"], path, tower))
    assert isinstance(predictor, predictors.Predictor)
    rows = [{"id": str(i), "pixels": tower.policy.pixels([im])} for i, im in enumerate(pictures)]
    found = predictor.predict(rows, Geolocation(lambda split: [], "colours"), "greedy")
    assert [output.place for output in found] == [pytest.approx(place, abs=1e-4) for place in zip(lat, lon)]
    with pytest.raises(ValueError, match="wants a choice"):
        predictor.predict([{"id": "a", "letter": "A"}], Geolocation(lambda split: [], "colours"), "greedy")


# --- published systems -----------------------------------------------------------------------------------------------


def test_each_stand_in_has_settings_and_says_what_it_leaves_out():
    assert SETTINGS.keys() == STAND_INS.keys() and all(STAND_INS[name].simplified for name in STAND_INS)


def test_each_system_of_the_paper_has_a_name_and_says_what_it_lacks(monkeypatch):
    from georeplicate import paper

    assert {row.method for row in paper.TABLE1} <= set(baselines.BASELINES)
    monkeypatch.setitem(sys.modules, "geoclip", None)
    monkeypatch.setitem(sys.modules, "plonk", None)
    for name, said in {
        "ISNs": "withdrew code and weights",
        "GeoCLIP": "pip install geoclip",
        "Hybrid": "github.com/gastruc/osv5m",
        "RFM-YFCC": "pip install diff-plonk",
        "GeoReasoner-7B": "Qwen-VL-Chat",
        "nearest neighbour": "features",
    }.items():
        with pytest.raises(ValueError, match=said):
            baselines.get(name)
    with pytest.raises(ValueError, match="neither .official. nor the folder"):
        baselines.get("GeoCLIP", "somewhere/else")
    with pytest.raises(ValueError, match="is a mini model"):
        baselines.get("Qwen2.5-VL-7B", BASE)


class FakeGeoCLIP:
    gps_gallery = torch.tensor([[1.0, 2.0], [48.9, 2.3]])

    def __init__(self):
        self.image_encoder = types.SimpleNamespace(preprocess_image=lambda image: torch.zeros(1, 3, 4, 4))

    @classmethod
    def from_pretrained(cls, name, *, revision, device):
        cls.opened = (name, revision)
        return cls()

    def __call__(self, image, gallery):
        return torch.tensor([[0.1, 0.9]])


def test_geoclip_is_called_as_its_package_declares(monkeypatch):
    monkeypatch.setitem(sys.modules, "geoclip", types.SimpleNamespace(GeoCLIP=FakeGeoCLIP))
    found = baselines.get("GeoCLIP", "official@abc").predict([Image.new("L", (9, 9)), None])
    assert found.lat[0] == pytest.approx(48.9) and np.isnan(found.lat[1])
    assert FakeGeoCLIP.opened == ("VicenteVivanco/geoclip-geolocation", "abc")


def test_radians_become_degrees(monkeypatch):
    class Geolocalizer(torch.nn.Module):
        @classmethod
        def from_pretrained(cls, name):
            return cls()

        def transform(self, image):
            return torch.zeros(3, 4, 4)

        def forward(self, shown):
            return torch.tensor([[0.5, -1.0]]).repeat(len(shown), 1)

    monkeypatch.setitem(sys.modules, "models", types.ModuleType("models"))
    monkeypatch.setitem(sys.modules, "models.huggingface", types.SimpleNamespace(Geolocalizer=Geolocalizer))
    found = baselines.get("Hybrid").predict([Image.new("RGB", (9, 9))] * 2)
    assert found.lat.tolist() == pytest.approx([28.6479] * 2, abs=1e-3) and found.lon[0] == pytest.approx(
        -57.2958, abs=1e-3
    )


def test_guidance_steps_and_seed_of_the_flow_are_explicit(monkeypatch):
    called = []

    class PlonkPipeline:
        def __init__(self, name, device):
            assert name == "nicolas-dufour/PLONK_YFCC"

        def __call__(self, images, batch_size, cfg, num_steps, generator):
            called.append((batch_size, cfg, num_steps, generator.initial_seed()))
            return np.array([[10.0, 20.0]] * len(images))

    monkeypatch.setitem(sys.modules, "plonk", types.SimpleNamespace(PlonkPipeline=PlonkPipeline))
    assert baselines.get("RFM-YFCC").predict([Image.new("RGB", (9, 9))] * 3).lon.tolist() == [20.0] * 3
    assert called == [(3, published.RFM.GUIDANCE, 250, 0)] and published.RFM.GUIDANCE == 2.0
    with pytest.raises(ValueError, match="would be ignored"):
        baselines.get("RFM-YFCC", "official@abc")


def test_weights_that_cannot_be_had_are_one_sentence(monkeypatch):
    class Missing:
        @classmethod
        def from_pretrained(cls, name, **options):
            raise OSError("not in the cache")

    monkeypatch.setitem(sys.modules, "geoclip", types.SimpleNamespace(GeoCLIP=Missing))
    with pytest.raises(ValueError, match="GeoCLIP: weights missing: VicenteVivanco/geoclip-geolocation"):
        baselines.get("GeoCLIP")
