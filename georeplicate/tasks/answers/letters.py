"""Which letter a text answers with; refused, with a reason, where it is not clear."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from georeplicate.tasks.answers.given import (
    LETTERS,
    MAX_ANSWER_CHARS,
    SPECIAL_TOKEN,
    Choice,
    Malformed,
    Mode,
    check_mode,
    first_answer,
    given_in,
    refuse,
    with_repeated_keys,
)
from georeplicate.tasks.answers.negations import FILLER, may_negate, negated

_OTHER_LETTERS = "À-ɏͰ-ϿЀ-ӿ"
# A letter that stands alone: no part of a word, a number, a contraction ("I'm"), a compound ("T-junction"), an
# abbreviation ("U.S.") or a unit ("20 °C", "51° N").
_LONE_LETTER = re.compile(
    rf"([A-Za-z])(?![0-9A-Za-z{_OTHER_LETTERS}])(?<![0-9A-Za-z{_OTHER_LETTERS}][A-Za-z])"
    r"(?!['’](?!s\b)[A-Za-z])(?![&@+\-][0-9A-Za-z])(?!\.[A-Za-z](?![A-Za-z]))"
    r"(?<![0-9A-Za-z]['’&@+\-][A-Za-z])(?<![^A-Za-z][A-Za-z]\.[A-Za-z])(?<!^[A-Za-z]\.[A-Za-z])"
    r"(?<!°[A-Za-z])(?<!° [A-Za-z])(?<!degrees [A-Za-z])"
)
_OPENING, _CLOSING = frozenset("([{\"'‘“«<"), frozenset(")]}\"'’”»>")
_NOUN = (
    r"(?:images?|tiles?|options?|choices?|candidates?|letters?|pictures?|photos?|labels?|satellite|aerial|views?"
    r"|opci[oó]n|opção|opzione|optie|bild|kachel|imagen|imagem|immagine|вариант|изображение)"
)
# "answer", where a colon or "is" may follow
_ANSWER_WORD = (
    r"(?:answer|antwort|réponse|respuesta|resposta|risposta|antwoord|odpowiedź|cevap|jawaban|ответ|答案|回答|正解|答え"
    r"|정답|답|الإجابة|उत्तर)"
)
_LIST_MARK = re.compile(r"(?:[.):\]]|,? [-–—])(?:[ \n]|$)|[:：]|,? (?:because|since)\b")
_LINE_START = re.compile(r"(?:^|\n)[ (\[\"'‘“>-]{0,4}$")
_NAME_HYPHEN = re.compile(r"-(?<=[A-Za-z]{4}-)(?=[A-Za-z]\b)")
_AFTER_NOUN = re.compile(rf"\b{_NOUN}[ #(\[\"'‘“<]{{0,4}}$")
_AFTER_CUE = re.compile(
    rf"(?:\b(?:ans|choice|match|pick|choose|chose|select|selected|letter|option|image)|{_ANSWER_WORD})"
    r" ?(?:is|are|be|was|would be|must be|should be|ist|est|es|é|è|は|은|는)? ?[:：=]?[ (\[\"'‘“<]{0,4}$"
    r"|(?:\bit ?(?:is|['’]s|must be)|\b(?:i|we) (?:think|say|guess)|\bgo(?:ing)? (?:with|for)"
    r"|答案|选项?|選項?|选择|選擇)"
    r" ?[是为為]? ?[:=]?[ (\[\"'‘“<]{0,4}$"
)
# "A" and "I" are words too: followed by one more word they count only if that word cannot follow an article or a
# pronoun.
_NEXT_WORD = re.compile(r"[ \t]([a-z][^\W\d_]+|[a-z]-[a-z]{2,})")
# "A oder B", "A montre un parc": the same in languages whose texts have no article "A", or use it before nouns only
_NOT_AFTER_EITHER = frozenset(
    "is has does matches fits shows looks seems corresponds depicts contains appears displays features lacks resembles "
    "aligns exhibits provides presents includes represents captures reveals portrays agrees differs offers shares "
    "vs versus plus und oder et ou og eller lub oraz atau dan veya ve và hoặc en of "
    "est ist es hat zeigt passt entspricht montre correspond présente muestra tiene coincide corresponde presenta "
    "mostra tem apresenta".split()
)
_NOT_AFTER_ARTICLE = _NOT_AFTER_EITHER | frozenset(
    "isn doesn hasn didn wasn couldn wouldn did had showed matched contained looked seemed appeared displayed lacked "
    "was are because since as and or nor but not with for from in on at to by if so the this that these it its there "
    "then must would should can could may might will".split()
)
# "A best matches", "A clearly shows": an adverb that a verb of the third person follows
_VERB_NEXT = re.compile(rf"[ \t](?:best|also|most|only|[a-z]{{2,20}}ly) (?:{'|'.join(sorted(_NOT_AFTER_EITHER))})\b")
_DECLARATION = re.compile(
    rf"(?:{_ANSWER_WORD} ?(?:is|would be|must be|should be|ist|est|es|é|è|は|은|는|[:：=])"
    r"|\b(?:final|best|correct|right|true|my) (?:\w{1,20} ){0,2}\w{1,20} ?(?:is|would be|must be|[:=])"
    r"|\bthe (?:match|choice) ?(?:is|[:=])|\bfinal ?[:=]"
    r"|\bi(?: would| will|['’]ll|['’]d)? (?:choose|pick|select|go with|conclude)\b)"
    r"|(?:答案|选择|選擇) ?[是为為:]"
)
_DECLARED_AFTER = re.compile(
    r"[)\]\"'’”]{0,2} (?:is|must be|would be) "
    r"(?:(?:the )?(?:\w{1,20} )?(?:match|answer)|(?:the )?(?:correct|right)(?: one)?)\b"
)
_ANSWER_LINE = re.compile(
    r"\W{0,4}(?:(?:the|my|final|best|correct) ){0,3}(?:answer|choice|match)\W{0,4}(?:is\b)?\W{0,4}"
    r"(?:(?:satellite|aerial|image|option|tile|candidate) ){0,2}\W{0,4}([A-Za-z])\W{0,4}",
    re.IGNORECASE,
)
# Where a new thought begins after a declaration, and how one is recognised that takes it back.
_CLAUSE_END = re.compile(
    r"[.!?;](?=[\s)\]\"'’”]|$)|[\n。]|[,，]? ?因为|,? ?\b(?:because|since|whereas|while|unlike)\b|, as\b"
)
_SECOND_THOUGHT = re.compile(
    r"(?:^|[\s,(])(?:wait|actually|hmm+|no(?=[,.:;!]| [a-z]\b)|oops|sorry|correction|scratch that|on second thoughts?|"
    r"alternatively|however|unless|maybe|perhaps|possibly|or"
    r"|but(?! (?:it |that |this |the \w{1,15} )?(?:has no|shows no|is not|does not|lacks?|without|misses|no|not)\b))\b"
    r"|\b(?:could|might|may|can|would|should) (?:\w{1,12} ){0,2}be\b|\balso (?:possible|be)\b"
    r"|\b(?:better|closer|(?:more|as|equally|most) (?:likely|plausible|probable)|instead)\b"
    r"|\bchanged? my mind\b|\bi was wrong\b"
    r"|(?:但|不过|或者|也可能|其实|不对)"
)
# "B, not A", "B rather than A", "not A but B": what is ruled out is named beside what is meant
_NOT_THE_OTHER = re.compile(
    r"[)\]\"'’”]{0,2}[,，]? ?[(（]?"
    r"(?:(?:(?:and|und|y|et|e|а) )?(?:not|rather than|instead of|nicht|niet|pas|não|не)\b|而?不是)"
)
_BUT = re.compile(
    rf"(?:\b(?:but|sondern|sino|mais|mas|maar|а)|而是|ではなく、?|가 아니라)(?: {FILLER}){{0,3}} ?[(\[\"'‘“]{{0,2}}$"
)
# "It isn't A, it's B", "不选A，选B", "Aではありません。Bです": all others are ruled out, and this one is said to be it
_SAID_BEFORE = re.compile(
    rf"(?:\b(?:it|that) ?(?:is|['’]s|must be)|\bc['’]est|\bes(?: ist)?"
    rf"|{_ANSWER_WORD} ?(?:is|ist|est|es|é|è|は|은|는|[:：])"
    rf"|\b(?:i|we)(?: would| will|['’]ll|['’]d)? (?:choose|pick|select|say|go with)|答案[是为為]|[选選]择?|[,，]是)"
    rf"(?: {FILLER}){{0,3}} ?[(\[\"'‘“]{{0,2}}$"
)
_SAID_BEHIND = re.compile(r"[)」』]?(?:です|だ|입니다|이다)")
_CONCLUDED = re.compile(r"\b(?:so|hence|thus|therefore),?(?: (?:it is|it['’]s))? ?[(\[\"'‘“]{0,2}$")
_TICK = "[✓✔✅☑]\ufe0f?"
_TICKED_BEFORE, _TICKED_BEHIND = re.compile(rf"(?:^|\n){_TICK} ?$"), re.compile(rf"[)\]]?:? ?{_TICK}")
# What HTML writes around words. Only where something is closed: "<b>" alone may be a letter in brackets.
_MARKUP = re.compile(
    r"</?(?:b|i|u|s|p|em|strong|span|div|code|pre|li|ul|ol|td|th|tr|table|tbody|thead|h[1-6]|mark|font|center)"
    r"(?: [^<>]{0,200})?>",
    re.IGNORECASE,
)
# "\\n" where a line end was escaped once too often; but LaTeX has words that begin so.
_WRITTEN_OUT_BREAK = re.compile(
    r"(?:\\r)?\\n(?!(?:e|eq|eg|ewline|ewpage|abla|ot|otin|u|oindent|olimits|ormalfont|ormalsize)(?![a-z]))"
)
_KEYS_OF_LETTERS = frozenset(
    "answer letter choice option tile image match prediction selected selection label result".split()
)
_WORDS_BESIDE_KEYS = frozenset("final predicted best correct chosen my satellite".split())
_LETTER_LINE = re.compile(r"[^\w\n]{0,4}([A-Za-z])[^\w\n]{0,4}")
_DECLARATION_REACH = 60  # characters within which a declaration names its letter


def plain(region: str) -> str:
    """An answer without its typography: compatibility forms folded, Markdown, LaTeX and chat tokens removed."""
    region = SPECIAL_TOKEN.sub(" ", region)
    if "&" in region:
        region = html.unescape(region)
    if "</" in region:
        region = _MARKUP.sub(" ", region)
    region = _WRITTEN_OUT_BREAK.sub("\n", region)
    region = re.sub(r"\\boxed\b", " answer: ", region)
    region = _NAME_HYPHEN.sub(" ", region)  # "image-B"
    if not region.isascii():
        region = unicodedata.normalize("NFKC", region)
        region = re.sub("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]", "", region)  # characters of no width
    region = re.sub(r"\\(?:[A-Za-z]{1,20}|[,;:!])|[\\*_`~#${}\x00-\x08\x0e-\x1f]", " ", region)
    return "\n".join(" ".join(line.split()) for line in region.split("\n")).strip()


@dataclass(frozen=True)
class _Mention:
    letter: str
    start: int
    end: int
    negated: bool


def _lower(region: str) -> str:
    """Lower case with every character in its place; a text in which one would become two stays as it is."""
    lowered = region.lower()
    return lowered if len(lowered) == len(region) else region


def _mentions(region: str) -> Iterable[_Mention]:
    """Every letter of ``region`` that can be meant as the name of an image, in order."""
    lowered = _lower(region)
    search = may_negate(lowered)
    for found in _LONE_LETTER.finditer(region):
        letter, start, end = found[1], found.start(1), found.end(1)
        before, after = lowered[max(0, start - 60) : start], lowered[end : end + 40]
        word = letter in "AaIi" and _is_word(letter, after)
        if letter.isupper():
            meant = not word or _AFTER_NOUN.search(before) is not None
        elif _LIST_MARK.match(after) and _LINE_START.search(before):
            meant = True  # "b. the second tile"
        elif after[:1] in _CLOSING and (before[-1:] in _OPENING or after[0] == ")" and before[-1:] in ("", "\n")):
            meant = True  # "(b)", or "b)" where a line begins
        else:
            meant = not word and (_AFTER_NOUN.search(before) or _AFTER_CUE.search(before)) is not None
        if meant:
            yield _Mention(letter.upper(), start, end, search and negated(before, after))


def _is_word(letter: str, after: str) -> bool:
    """Is "A" the article and "I" the pronoun, judging by the word that follows?"""
    following = _NEXT_WORD.match(after)
    if following is None or _VERB_NEXT.match(after):
        return False
    return following[1] not in (_NOT_AFTER_EITHER if letter in "Ii" else _NOT_AFTER_ARTICLE)


def _one_letter(region: str, declared: bool) -> str | Malformed:
    """The one letter an answer names.

    In an answer block two different letters are refused. Loose text (``declared``) may discuss several, if all its
    declarations ("the answer is B") name the same one and either one of them has a line of its own, or what is named
    after the last of them is named in another clause that does not take it back.
    """
    whole = re.fullmatch(r"([\W_]*)([A-Za-z])(\)?[\W_]*)", region)
    if whole and not negated(whole[1], whole[3]):
        return whole[2].upper()
    region = re.sub(r"[Nn](?<!\w[Nn])/[Aa]\b", " ", region)  # "N/A"
    mentions = list(_mentions(region))
    letters = list(dict.fromkeys(mention.letter for mention in mentions))
    if not letters:
        return refuse("no_letter", region)
    if len(letters) > 1:
        found = _not_the_others(region, mentions) or (_declared_letter(region, mentions) if declared else None)
        return found or refuse("two_letters", ", ".join(letters))
    if any(mention.negated for mention in mentions):
        return refuse("negated", region)
    return letters[0]


def _not_the_others(region: str, mentions: Sequence[_Mention]) -> str | None:
    """The letter of "B, not A", "not A but B" and "not A, it is B": one is meant, and all others are ruled out."""
    meant = [m for m in mentions if not m.negated]
    if len({m.letter for m in meant}) != 1 or meant[0].letter in {m.letter for m in mentions if m.negated}:
        return None
    lowered, last = _lower(region), meant[-1]
    before, behind = lowered[max(0, last.start - 60) : last.start], lowered[last.end :]
    first = mentions[0] is meant[0] and _NOT_THE_OTHER.match(behind)
    but = mentions[-1] is last and len(meant) == 1 and _BUT.search(before)
    said = (_SAID_BEFORE.search(before) or _SAID_BEHIND.match(behind)) and not _SECOND_THOUGHT.search(behind)
    concluded = _CONCLUDED.search(before) and not behind.strip(" .!*)]\n")
    ticked = _TICKED_BEFORE.search(before) or _TICKED_BEHIND.match(behind)
    return last.letter if first or but or said or concluded or ticked else None


def _value_of_json(region: str) -> str:
    """What stands under "answer", "letter" or the like of a JSON object within the text; else the text itself."""
    start, end = region.find("{"), region.rfind("}")
    if start < 0 or end < start or '"' not in region:
        return region
    try:
        data = json.loads(region[start : end + 1], object_pairs_hook=with_repeated_keys)
    except (ValueError, RecursionError):
        return region
    said = [value for key, value in data.items() if _names_letter(key)]
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in said) if said else region


def _names_letter(key: str) -> bool:
    """Is this the key of a letter: "answer", "finalAnswer", "predicted_letter"?"""
    words = set(re.split(r"[\s_-]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key.strip()).lower()))
    return bool(words & _KEYS_OF_LETTERS) and words <= _KEYS_OF_LETTERS | _WORDS_BESIDE_KEYS


def _declared_letter(region: str, mentions: Sequence[_Mention]) -> str | None:
    lowered = _lower(region)
    cues = [cue.end() for cue in _DECLARATION.finditer(lowered)]
    near = (next((m for m in mentions if cue <= m.start < cue + _DECLARATION_REACH), None) for cue in cues)
    declared = [m for m in near if m is not None]
    declared += [m for m in mentions if _DECLARED_AFTER.match(lowered[m.end : m.end + 60])]
    letters = {m.letter for m in declared}
    lines = {line[1].upper(): line[0] for line in map(_ANSWER_LINE.fullmatch, region.split("\n")) if line}
    if len(lines) == 1 and letters <= lines.keys():  # "Answer: B" on a line of its own, reasons before or after it
        letter, line = lines.popitem()
        return None if _another_below(letter, region.rpartition(line)[2]) else letter
    if not declared:
        return _line_of_its_own(region)
    last = max(m.start for m in declared)
    if len(letters) > 1 or any(m.negated for m in mentions if m.start >= last and m.letter in letters):
        return None
    if _another_below(next(iter(letters)), region[last:]):
        return None
    others = [m for m in mentions if m.start > last and m.letter not in letters and not m.negated]
    if others:  # "The answer is B. Note that A has the same kind of roof."
        clause = _CLAUSE_END.search(lowered, next(m.end for m in mentions if m.start == last))
        if clause is None or others[0].start < clause.end() or _SECOND_THOUGHT.search(lowered, clause.start()):
            return None
    return letters.pop()


def _another_below(letter: str, region: str) -> bool:
    """Is a line behind the first another letter alone? Then the answer goes on ("Answer:\\n- A\\n- B")."""
    return any(line[1].upper() != letter for line in map(_LETTER_LINE.fullmatch, region.split("\n")[1:]) if line)


def _line_of_its_own(region: str) -> str | None:
    """The letter that stands alone on the first or the last line, if no other line is a letter alone."""
    lines = [line for line in region.split("\n") if line.strip()]
    alone = [(i, found[1].upper()) for i, line in enumerate(lines) if (found := _LETTER_LINE.fullmatch(line))]
    if len(alone) != 1 or alone[0][0] not in (0, len(lines) - 1):
        return None
    after = "\n".join(lines[1:]).lower() if alone[0][0] == 0 else ""
    return None if _SECOND_THOUGHT.search(after) else alone[0][1]


def parse_choice(text: object, mode: Mode = "paper", letters: str = LETTERS) -> Choice | Malformed:
    """The letter that a completion answers with.

    paper: the answer blocks outside the thinking, else the text outside it. "(A)", "A)", "**D**", "option b",
    "\\boxed{C}" and "Satellite image A is the match" are read; two different letters, a letter that is only ruled out,
    or one beyond ``letters`` are refused. Loose text may weigh several letters if it then declares one
    ("the answer is B").
    released: as in the official code (see ``released_choice``), whatever ``letters`` says.
    """
    check_mode(mode)
    if not isinstance(text, str):
        return refuse("not_text", type(text).__name__)
    if mode == "released":
        answer = first_answer(text)
        chosen = released_choice(text.strip() if answer is None else answer)
        return refuse("no_letter") if chosen is None else Choice(chosen)
    given = given_in(text)
    if isinstance(given, Malformed):
        return given
    region = "\n".join(given.blocks or given.loose)
    if len(region) > MAX_ANSWER_CHARS:
        return refuse("too_long", region)
    region = plain(_value_of_json(region))
    if len(region) > MAX_ANSWER_CHARS:  # one character can stand for eighteen
        return refuse("too_long", region)
    letter = _one_letter(region, declared=not given.blocks)
    if isinstance(letter, Malformed):
        return letter
    return Choice(letter) if letter in letters.upper() else refuse("unknown_letter", letter)


# What the official multiple-choice rule looks for around a letter (verified in the official code).
RELEASED_KEYWORDS = (
    "answer", "correct", "choose", "select", "right", "think", "believe", "should",
    "答案", "选择", "正确", "是", "对", "认为", "应该", "觉得",
)  # fmt: skip
RELEASED_CONTEXT_CHARS = 20
RELEASED_LATE_SHARE = 0.7
RELEASED_LATE_SCORE = 2
RELEASED_END_MARKS = "。.!！,，"

_RELEASED_CANDIDATE = re.compile(r"(?<![A-Z])[A-Z](?=[.,?!:;]|$)")


def released_choice(answer: str) -> str | None:
    """The letter that the official code extracts from an answer, or None (then the reward is 0).

    A candidate is a letter A-Z, no letter before it, and ``. , ? ! : ;`` or the end after it: "(A)", "A)" and "Image A
    is the match" hold none. Several candidates are scored by what surrounds the FIRST place where the letter occurs at
    all, even inside a word; a candidate that occurs n times counts its score n times, and ties go to the one that came
    first.
    """
    squeezed = " ".join(answer.upper().split())
    # Splitting also trims, which the official code does not do here: there an outer space keeps a final letter from
    # being a candidate.
    squeezed = " " * answer[:1].isspace() + squeezed + " " * answer[-1:].isspace()
    times = Counter(_RELEASED_CANDIDATE.findall(squeezed))
    if len(times) < 2:
        return next(iter(times), None)

    def score(letter: str) -> int:
        first = squeezed.find(letter)
        around = squeezed[max(0, first - RELEASED_CONTEXT_CHARS) : first + RELEASED_CONTEXT_CHARS]
        points = sum(keyword.upper() in around for keyword in RELEASED_KEYWORDS)
        points += RELEASED_LATE_SCORE * (first > len(squeezed) * RELEASED_LATE_SHARE)
        points += squeezed[first + 1 : first + 2] in tuple(RELEASED_END_MARKS)
        return points * times[letter]

    return max(times, key=score)  # the first of equals: Counter keeps the order of appearance
