"""No option is ignored: every field of the installed GRPOConfig is honoured or refused."""

import pytest
from trl import GRPOConfig

from georeplicate.training import options


@pytest.fixture
def args(tmp_path):
    """The arguments that `grpo.train` makes, as far as they are GRPO's own."""
    fixed = {name: value for name, (value, _) in options.FIXED.items()}
    return GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], **fixed)


def another(value):
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"not {value}"


def test_what_the_trainer_computes_is_taken(args):
    options.refuse(args)


@pytest.mark.parametrize("name", options.expected())
def test_every_other_field_is_refused_by_name_and_with_the_remedy(args, name):
    value = getattr(args, name)
    object.__setattr__(args, name, another(value))
    with pytest.raises(
        ValueError, match=f"{name}=.* is not honoured .* set it to .* or train with TRL's own"
    ) as caught:
        options.refuse(args)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(options.HONOURED))
def test_honoured_fields_exist_and_pass(args, name):
    assert name in options.fields()
    object.__setattr__(args, name, another(getattr(args, name) or 1))
    options.refuse(args)


def test_answers_without_a_longest_one_are_refused(args):
    object.__setattr__(args, "max_completion_length", None)
    with pytest.raises(ValueError, match="max_completion_length=None is not honoured .* set it to a number of tokens"):
        options.refuse(args)


def test_no_field_is_in_two_lists():
    assert not options.HONOURED & options.FIXED.keys() and options.FIXED.keys() <= options.fields().keys()
