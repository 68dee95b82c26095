"""What tests of runs share: a policy to start from, and the model and data of the dry run."""

import pytest

from georeplicate.mini import base, tiny


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """The folder of a small untrained policy with the mini world's words."""
    path = tmp_path_factory.mktemp("base") / "mini-base"
    tiny.build(
        base.vocabulary(), seed=0, hidden_size=32, layers=2, heads=2, vision_hidden_size=48, vision_layers=1
    ).save(path)
    return path


@pytest.fixture(scope="session")
def dry_home(tmp_path_factory):
    """The folder in which model and data of `paper-dry` are made, once for all tests."""
    return tmp_path_factory.mktemp("dry")
