"""Money, fractions and ages as people read them; `–` where nothing is known."""

from decimal import Decimal

from django import template

register = template.Library()
NOTHING = "–"
Missing = str
"""A template hands the empty text to a filter where an attribute does not exist."""


@register.filter
def usd(amount: Decimal | float | Missing | None) -> str:
    """Dollars and cents, e.g. `−$1,234.50`.

    >>> usd(Decimal("-1234.5"))
    '−$1,234.50'
    """
    if amount is None or isinstance(amount, Missing):
        return NOTHING
    return f"{'−' if amount < 0 else ''}${abs(amount):,.2f}"


@register.filter
def percent(fraction: float | Decimal | Missing | None) -> str:
    """A fraction in percent with one decimal.

    >>> percent(0.034)
    '3.4 %'
    """
    return (
        NOTHING
        if fraction is None or isinstance(fraction, Missing)
        else f"{100 * fraction:.1f} %".replace("-", "−")
    )


@register.filter
def age(seconds: float | Missing | None) -> str:
    """A duration in its largest fitting unit.

    >>> age(61), age(7300), age(None)
    ('61 s', '2.0 h', '–')
    """
    if seconds is None or isinstance(seconds, Missing):
        return NOTHING
    for unit, length, longest in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < longest:
            return f"{seconds / length:.{1 if unit == 'h' else 0}f} {unit}"
    return f"{seconds / 86400:.0f} days"


@register.filter
def three(value: float | Decimal | Missing | None) -> str:
    """A price, probability or edge with three decimals.

    >>> three(0.5), three(-0.0123)
    ('0.500', '−0.012')
    """
    return (
        NOTHING if value is None or isinstance(value, Missing) else f"{value:.3f}".replace("-", "−")
    )


@register.filter
def score(value: float | Missing | None) -> str:
    """A score with five decimals.

    >>> score(0.052985), score(None)
    ('0.05298', '–')
    """
    return NOTHING if value is None or isinstance(value, Missing) else f"{value:.5f}"


@register.filter
def dollars(price: float | Missing | None) -> str:
    """A price in dollars with as many decimals as its size asks for.

    >>> dollars(98123.4), dollars(2.34567), dollars(None)
    ('$98,123.40', '$2.3457', '–')
    """
    if price is None or isinstance(price, Missing):
        return NOTHING
    return f"${price:,.{2 if abs(price) >= 100 else 4}f}"


@register.filter
def signed(value: float | Missing | None, decimals: int = 1) -> str:
    """A number with its sign; zero has none.

    >>> signed(1.26), signed(-0.5, 2), signed(0.0), signed(-0.01)
    ('+1.3', '−0.50', '0.0', '0.0')
    """
    if value is None or isinstance(value, Missing):
        return NOTHING
    text = f"{value:+.{decimals}f}"
    return text[1:] if not float(text) else text.replace("-", "−")
