"""The features as a page, written from their registry: `python -m predictions.core.glossary`."""

import sys
from typing import Final

from predictions.core.schema import ARITHMETIC, DENIED, FEATURES, GROUPS, LOOKBACK_S

ABOUT: Final = {
    "book": "the newest quote and the newest whole book",
    "series": "the prices of the look-back",
    "flow": "quotes and public trades against their recent past",
    "quality": "how old, how dense and how complete what we know is",
    "derived": "formulas of other features",
    "context": "the market's life, its event, the news, wallets, spot prices, the question's words",
}
INTRODUCTION: Final = """\
# Features

Written from the registry by `python -m predictions.core.glossary > docs/features.md`; a test \
fails where this page is older than the code.

{total} columns in {groups} groups, arithmetic version {arithmetic}, one function \
(`predictions.core.features.compute`) for live decisions and for training. A quote, trade or book \
exists for a row only from its receipt on, and nothing older than {hours:.0f} hours of quotes \
matters. Every window is the exact difference of two running sums, so a value takes the same time \
whatever the history's length, and the look-back alone gives what the whole history gives.

What is missing stays missing (NaN): models learn from it, and the columns `missing_…` tell how \
much of each group is not there. An artefact carries the hash of this list and of the constants; \
another hash is refused.
"""


def page() -> str:
    """The page in Markdown."""
    total, hours = len(FEATURES), LOOKBACK_S / 3600
    text = INTRODUCTION.format(total=total, groups=len(GROUPS), arithmetic=ARITHMETIC, hours=hours)
    parts = [text]
    for group, listed in GROUPS.items():
        rows = [
            f"| `{f.name}` | {_cell(f.unit)} | {_cell(f.missing)} | {f.known_at} |" for f in listed
        ]
        head = ("| feature | unit or formula | missing when | known from |", "|---|---|---|---|")
        parts.append("\n".join((f"## {group} ({len(listed)})\n\n{ABOUT[group]}\n", *head, *rows)))
    refused = [f"| `{_cell(pattern)}` | {why} |" for pattern, why in DENIED]
    title = "## Names that are refused\n\nOnly hindsight can fill such a column.\n"
    parts.append("\n".join((title, "| pattern | why |", "|---|---|", *refused)))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
