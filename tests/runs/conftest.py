"""What tests of runs share: a policy to start from, and the model and data of the dry run."""

import pytest
from toy import SHAPE

from georeplicate.mini import base, tiny


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """The folder of a small untrained policy with the mini world's words."""
    path = tmp_path_factory.mktemp("base") / "mini-base"
    tiny.build(base.vocabulary(), seed=0, **SHAPE).save(path)
    return path


@pytest.fixture(scope="session")
def dry_home(tmp_path_factory):
    """The folder in which model and data of `paper-dry` are made, once for all tests."""
    return tmp_path_factory.mktemp("dry")
