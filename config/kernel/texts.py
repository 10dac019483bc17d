"""Words from outside: as every database and log takes them, and whether they say anything."""


def storable(text: str) -> str:
    r"""The text without what some database refuses: no NUL, no half of a character.

    >>> storable("one\x00two \udcea")
    'one?two ?'
    """
    return text.encode(errors="replace").decode().replace("\x00", "?")


def says_something(text: str) -> bool:
    r"""Whether a person could read anything in it.

    >>> says_something("why not"), says_something("  \u200b"), says_something("")
    (True, False, False)
    """
    return any(sign.isprintable() and not sign.isspace() for sign in text)
