"""How a text rules out a letter that it names ("not B", "B is wrong", "B ist es nicht", "不是B"), in several languages.

Only what stands right beside the letter counts: further off, a "not" may belong to something else.
"""

from __future__ import annotations

import re

FILLER = (
    r"(?:the|a|an|be|it|is|in|satellite|aerial|image|option|tile|candidate|view|picture|photo|choice|letter|answer"
    r"|think|choose|pick|select|say|believe|that|this|it['’]s)"
)
_FILLER_ABROAD = (
    r"(?:la|le|el|il|o|a|os|l['’]|die|der|das|de|het|es|son|est|ist|is|é|è|bild|kachel|imagen|imagem|immagine|image"
    r"|tuile|opci[oó]n|opção|opzione|option|optie|вариант|изображение|gambar|hình|ảnh|phải|الصورة|الخيار|选项|图像?|画像)"
)
_MARKS = "❌✗✘✖🚫×"
_RULING_OUT = r"(?:exclud|eliminat|reject|discard|dismiss)(?:e|ed|ing|)"
_BEFORE = re.compile(
    rf"(?:\b(?:not|\w{{1,6}}n['’]t|cannot|never|nor|neither|except|without|rul(?:e|ed|ing) out|than|instead of"
    rf"|{_RULING_OUT}|(?:all|any|anything|everything) but|(?:worst|least likely)(?: match)?)(?: {FILLER}){{0,5}}"
    rf"|(?:^|\n)no(?: {FILLER})?"
    r"|\b(?:nicht|keine?|weder|noch|niet|geen|inte|ikke|pas|ni|no(?= es| son)|não|nem|nie|не|ни|bukan|không|ليست?)"
    rf"(?: {_FILLER_ABROAD}){{0,3}}"
    rf"|(?:不[能会]?[是选選]|不应该?[是选選]|不可能是|并?非|排除|除了|ไม่ใช่|नहीं)(?: ?{_FILLER_ABROAD})?"
    # a mark beside another letter belongs to that one: "A ❌ B ✅"
    rf"|(?<!\b[a-z] )(?<!\b[a-z]: )(?<!\b[a-z])[{_MARKS}]\ufe0f?)"
    r" ?[(\[\"'‘“]{0,2}\Z"
)
_AFTER = re.compile(
    r"[)\]\"'’”]{0,2} ?(?:(?:is|are|does|do|did|can|could|was|would|will|has|may|might|should)? ?(?:not|never)\b"
    r"|(?:is|does|do|did|ca|could|was|would|wo|has|should)n['’]t\b|cannot\b|fail(?:s|ed)?\b"
    r"|(?:is|are|was|looks|seems|appears|has been|(?:can|could|may|must|should|would) be) (?:the |an? )?"
    r"(?:wrong|incorrect|false|impossible|unlikely|excluded|ruled out|out|eliminated|rejected|discarded|dismissed"
    r"|worst|least likely)\b"
    r"|[:–—(-] ?no(?=$|[).,;\n]| match\b)"
    r"|(?:passt |ist (?:es )?)?nicht\b|niet\b|no (?:es|coincide|corresponde)\b|n['’]est pas\b|non è\b"
    rf"|(?:não|не|değil|bukan|không|नहीं|ليست?)(?!\w)|(?:: ?)?[{_MARKS}]"
    r"|不(?![仅但错錯])|[是为]?[错錯]|(?:可以|被|已){0,2}排除"
    r"|(?:は|では|じゃ)(?:あり|な|違)|[가이은는]? ?아[니닙])"
)
# At least one of these stands in every text that either pattern can match: a quick way past them.
_WORDS = tuple(
    "n't n’t not never no ni exclud rul than instead wrong incorrect false impossible unlikely out least worst fail "
    "except but eliminat reject discard dismiss keine weder inte ikke pas nem bukan değil".split()
)


def may_negate(lowered: str) -> bool:
    """False only if no letter of the text, in lower case, can be `negated`."""
    return not lowered.isascii() or any(word in lowered for word in _WORDS)


def negated(before: str, after: str) -> bool:
    """Is a letter ruled out by what stands before or behind it? Both in lower case and cut to a few words."""
    return _BEFORE.search(before) is not None or _AFTER.match(after) is not None
