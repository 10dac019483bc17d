"""Texts of strangers made comparable: markup off, words apart, equal titles equal."""

import html
import re
from html.parser import HTMLParser

SILENT = frozenset({"script", "style", "template"})
BLANKS = re.compile(r"\s+")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u200b-\u200f\u202a-\u202e]")
OPEN_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*\Z")
TAG = re.compile(r"<[^<>]*>")
# A parser of strangers' markup gets no more of it: nobody is shown so much.
MOST_READ = 8_000
WORD = re.compile(r"[a-z0-9]+(?:[.,'’][a-z0-9]+)*")
PUBLISHER = re.compile(r"\s+[-–—|]\s+[^-–—|]{2,40}$")
# Words that say nothing about which story it is; questions of markets are full of them.
SMALL_WORDS = """
a about after again all an and any are as at be been before being between but by can could day days
did do does each for from had has have he her his how i if in into is it its more most new no not
now of off on one or other our out over own people per price say says she should so some than that
the their them then there these they this those through to today two under up us was we were what
when where which while who whom whose why will with would year years yes you your first last next
week month uk report reports announces announced january february march april may june july august
september october november december monday tuesday wednesday thursday friday saturday sunday market
markets time least ends end win wins hit hits reach reaches above below down during
"""
COMMON = frozenset(SMALL_WORDS.split())


class _Plain(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.silent += tag in SILENT
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.silent = max(0, self.silent - (tag in SILENT))
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)


def plain(markup: str, *, longest: int) -> str:
    """What a reader would see of a text that may be HTML: one line, at most `longest` characters.

    >>> plain("<p>Rates <b>cut</b> &amp; cut<script>x()</script></p>", longest=100)
    'Rates cut & cut'
    """
    read = OPEN_TAG.sub("", markup[:MOST_READ]) if len(markup) > MOST_READ else markup
    try:
        seen = _seen(read)
    except (AssertionError, ValueError):
        # The parser gives up on some declarations and numbers; the words are still there.
        seen = TAG.sub(" ", read)
    line = BLANKS.sub(" ", UNPRINTABLE.sub("", seen)).strip()
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _seen(markup: str) -> str:
    # Behind the last closing bracket nothing is a tag, and a parser would seek the end of each.
    end = markup.rfind(">") + 1
    parser = _Plain()
    parser.feed(markup[:end])
    parser.close()
    parser.handle_data(html.unescape(markup[end:]))
    return "".join(parser.parts)


def title_key(title: str) -> str:
    """What two publications of one headline share: its words, without the publisher's name.

    >>> title_key("Fed cuts rates — again - Reuters") == title_key("FED CUTS RATES, AGAIN")
    True
    """
    cut = PUBLISHER.sub("", title)
    return " ".join(WORD.findall((cut if len(cut) >= 20 else title).lower()))


def keywords(text: str) -> frozenset[str]:
    """The words that may say which story it is, in a crude base form.

    >>> sorted(keywords("Will Newsom's tariffs be approved by March 3?"))
    ['approved', 'newsom', 'tariff']
    """
    words = (_base(word) for word in WORD.findall(text.lower()))
    return frozenset(w for w in words if len(w) > 1 and w not in COMMON and not _is_small(w))


def _is_small(word: str) -> bool:
    """Days and years are numbers that every second question holds."""
    return word.isdigit() and (len(word) < 3 or (len(word) == 4 and word.startswith("20")))


def _base(word: str) -> str:
    word = word.removesuffix("'s").removesuffix("’s").replace(",", "")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
