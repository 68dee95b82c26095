"""The mini policy in the real on-disk format; loading, refusing, encoding, decoding."""

import json

import pytest
import torch
from PIL import Image
from toy import TAGS, WORDS, byte_policy, internvl_policy, llava_policy, questions, tiny_policy
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

from georeplicate.mini import tiny
from georeplicate.model import policy, processors


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("policies") / "tiny"
    tiny_policy(seed=3).save(path)
    return path


def test_round_trip_gives_the_same_logprobs(saved):
    before, after = tiny_policy(seed=3), policy.load(saved)
    rows = questions(2)
    ids = [[before.completion_ids(row["completion"])] for row in rows]
    with torch.no_grad():
        assert torch.equal(before.logprobs(rows, ids), after.logprobs(rows, ids))


@pytest.mark.parametrize("make", [internvl_policy, llava_policy])
def test_other_families_survive_the_disk_and_encode_as_their_own_processor(make, tmp_path):
    before, rows = make(sharpen=2.0), questions(3)
    before.save(tmp_path / "made")
    after = policy.load(tmp_path / "made")
    ours = after.encode(rows[2:])
    theirs = before.processor(images=rows[2]["images"], text=[before.text(rows[2])], return_tensors="pt")
    assert torch.equal(ours.input_ids, theirs["input_ids"]) and torch.equal(ours.pixel_values, theirs["pixel_values"])
    assert ours.mm_token_type_ids.sum() == (theirs["input_ids"] == before.model.config.image_token_id).sum() > 0
    ready = [{"prompt": row["prompt"], "pixels": after.pixels(row["images"])} for row in rows]
    ids = [[before.completion_ids(row["completion"])] for row in rows]
    with torch.no_grad():
        assert torch.equal(before.logprobs(rows, ids), after.logprobs(ready, ids))
    assert not {after.processor.image_token_id, *after.processor.image_token_ids} - set(after.suppressed)


def test_images_that_need_more_than_a_batch_can_carry_are_refused_by_name(saved):
    made = policy.load(saved)
    plain = made.processor.image_processor
    made.processor.image_processor = lambda *a, **k: {**plain(*a, **k), "pixel_attention_mask": torch.ones(1)}
    with pytest.raises(ValueError, match="pixel_attention_mask"):
        made.encode(questions(1))


def test_files_are_those_of_a_published_checkpoint(saved):
    names = {path.name for path in saved.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json", "SHA256SUMS"} <= names
    assert json.loads((saved / "config.json").read_text())["model_type"] == "qwen2_5_vl"
    assert json.loads((saved / "processor_config.json").read_text())["processor_class"] == "Qwen2_5_VLProcessor"
    assert not any(path.suffix in {".bin", ".pt", ".pkl"} for path in saved.iterdir())


def test_transformers_opens_it_without_us(saved):
    model, info = Qwen2_5_VLForConditionalGeneration.from_pretrained(saved, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert tokenizer.convert_tokens_to_ids("<|image_pad|>") == model.config.image_token_id


def test_encoding_matches_the_processor_called_the_usual_way(saved):
    made = policy.load(saved)
    row = questions(3)[2]
    ours = made.encode([row])
    theirs = made.processor(images=row["images"], text=[made.text(row)], return_tensors="pt")
    assert torch.equal(ours.input_ids, theirs["input_ids"])
    assert torch.equal(ours.mm_token_type_ids, theirs["mm_token_type_ids"])
    assert torch.equal(ours.pixel_values, theirs["pixel_values"])
    assert torch.equal(ours.image_grid_thw, theirs["image_grid_thw"])


def test_prompts_are_padded_on_the_left_and_images_come_first(saved):
    made = policy.load(saved)
    batch = made.encode(questions(3))
    assert batch.attention_mask[:, -1].all() and not batch.attention_mask[0, 0]
    text = made.text(questions(1)[0])
    assert text.rindex("<|vision_end|>") < text.index("which")
    assert text.endswith("<|im_start|>assistant\n")


def test_preprocessed_pixels_give_the_same_batch(saved):
    made = policy.load(saved)
    rows = questions(2)
    ready = [{"prompt": row["prompt"], "pixels": made.pixels(row["images"])} for row in rows]
    for one, other in zip(vars(made.encode(rows)).values(), vars(made.encode(ready)).values(), strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_answers_survive_encoding_and_decoding(saved):
    made = policy.load(saved)
    text = "<think> look at tile A . </think> <answer> B </answer>"
    ids = made.completion_ids(text)
    assert ids[-1] in made.eos_token_ids
    assert made.decode([ids]) == [text]


def test_unknown_words_are_refused_by_name(saved):
    made = policy.load(saved)
    with pytest.raises(ValueError, match="zebra"):
        made.completion_ids("look at the zebra")
    with pytest.raises(ValueError, match="zebra"):
        made.encode([{"images": [], "prompt": "which zebra ?"}])


def test_vocabulary_entries_must_be_single_words():
    with pytest.raises(ValueError, match="two words"):
        tiny.build([*WORDS, "two words"], seed=0)


def test_vision_tokens_are_never_generated(saved):
    made = policy.load(saved)
    answers = made.generate(
        questions(2), num_generations=50, max_new_tokens=20, generator=torch.Generator().manual_seed(0)
    )
    seen = {token for group in answers.ids for completion in group for token in completion}
    assert not seen & set(made.suppressed)
    assert {made.tokenizer.convert_tokens_to_ids(tag) for tag in TAGS} <= seen
    assert len(answers.texts) == len(answers.lengths) == len(answers.finished) == 100
    assert any(answers.finished) and not all(answers.finished)


def test_same_generator_seed_same_answers(saved):
    made = policy.load(saved)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return made.generate(questions(2), num_generations=3, max_new_tokens=8, generator=generator).ids

    assert draw(1) == draw(1) != draw(2)


def test_a_missing_checkpoint_is_one_clear_error(tmp_path):
    with pytest.raises(policy.CheckpointError, match="there is no checkpoint"):
        policy.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(policy.CheckpointError, match=r"config\.json is missing"):
        policy.load(tmp_path / "empty")


def test_one_flipped_bit_is_noticed(tmp_path):
    tiny_policy().save(tmp_path / "tiny")
    file = tmp_path / "tiny" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(policy.CheckpointError, match=r"model\.safetensors is damaged"):
        policy.load(tmp_path / "tiny")


def test_a_missing_file_is_noticed(tmp_path):
    tiny_policy().save(tmp_path / "tiny")
    (tmp_path / "tiny" / "tokenizer.json").unlink()
    with pytest.raises(policy.CheckpointError, match=r"tokenizer\.json is missing"):
        policy.load(tmp_path / "tiny")


@pytest.mark.parametrize("sums, words", [("", "is empty"), ("nonsense\n", "is damaged")])
def test_a_list_of_sums_that_says_nothing_is_no_proof(tmp_path, sums, words):
    tiny_policy().save(tmp_path / "tiny")
    (tmp_path / "tiny" / "SHA256SUMS").write_text(sums)
    with pytest.raises(policy.CheckpointError, match=words):
        policy.load(tmp_path / "tiny")


def test_saving_again_replaces_the_checkpoint_whole(tmp_path):
    tiny_policy(seed=1).save(tmp_path / "tiny")
    second = tiny_policy(seed=2)
    second.save(tmp_path / "tiny")
    weight = policy.load(tmp_path / "tiny").model.lm_head.weight
    assert torch.equal(weight, second.model.lm_head.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_text_only_template_of_the_tokenizer_does_not_hide_the_one_with_images(tmp_path):
    """As Qwen2.5-VL is published: a text-only tool template with the tokenizer, the one with images apart."""
    byte_policy().save(tmp_path / "m")
    folder = tmp_path / "m"
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    for path in (folder / "chat_template.jinja", folder / "SHA256SUMS"):
        path.unlink(missing_ok=True)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": processors.CHAT_TEMPLATE}))
    loaded = policy.load(folder)
    prompts = loaded.encode([{"images": [Image.new("RGB", (32, 32))], "prompt": "Where is this?"}])
    assert prompts.images == [1] and (prompts.mm_token_type_ids == 1).any()


def test_an_error_in_generation_leaves_the_model_in_training(monkeypatch):
    made = tiny_policy()
    made.model.train()
    with pytest.raises(ValueError, match="top_p=2 is out of range"):
        made.generate(questions(1), max_new_tokens=2, top_p=2)
    assert made.model.training


def test_no_rows_give_no_answers_and_cannot_be_encoded():
    made = tiny_policy()
    assert made.generate([], max_new_tokens=2).texts == []
    with pytest.raises(ValueError, match="no rows to encode"):
        made.encode([])


def test_a_prompt_is_a_text_a_conversation_or_the_whole_text():
    made = tiny_policy()
    (row,) = questions(1)
    slots = [{"type": "image"} for _ in row["images"]]
    chat = [{"role": "user", "content": [*slots, {"type": "text", "text": row["prompt"]}]}]
    whole = made.text(row)
    said = [row, {**row, "prompt": chat}, {"text": whole, "images": row["images"]}]
    assert made.conversation(row) == chat == made.conversation(said[1])
    first, *others = (made.encode([each]) for each in said)
    assert all(torch.equal(first.input_ids, other.input_ids) for other in others)
    with pytest.raises(ValueError, match=r"lacks \['zebra'\]"):
        made.encode([{"prompt": [{"role": "user", "content": "look at the zebra"}]}])


@pytest.mark.parametrize(
    "row, sentence",
    [
        ({"text": ""}, "row 1 has an empty prompt: give it a text or messages"),
        ({"prompt": []}, "a conversation without a message"),
        ({"prompt": None}, "the prompt None is no conversation"),
        ({"prompt": [{"role": "user"}]}, "is no conversation: give a list of messages, each with a role and a content"),
    ],
)
def test_a_prompt_that_says_nothing_is_one_sentence(row, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny_policy().encode([*questions(1), row])


@pytest.mark.parametrize(
    "images, given", [([7], "int"), (["photo.jpg"], "str"), ("photo.jpg", "str"), ({1: 2}, "dict")]
)
def test_images_that_are_no_pictures_are_named_with_their_row(images, given):
    row = questions(1)[0] | {"images": images, "id": "crossing 4"}
    with pytest.raises(
        ValueError, match=rf"row crossing 4: images must be a list of pictures .*, got {given}: open them"
    ):
        tiny_policy().encode([*questions(1), row])


def test_images_alone_are_a_question():
    made, (row,) = tiny_policy(), questions(1)
    assert made.generate([{**row, "prompt": ""}], max_new_tokens=2).lengths[0] > 0


def test_a_text_model_takes_its_tokenizer_for_a_processor():
    made = tiny_policy()
    alone = policy.Policy(made.model, made.tokenizer)
    rows = questions(2, images=0)
    assert torch.equal(alone.encode(rows).input_ids, made.encode(rows).input_ids)
    assert alone.eos_token_ids == made.eos_token_ids and alone.suppressed
