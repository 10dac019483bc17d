"""Which network addresses somebody else's text may send us to: public ones, nothing else."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# RFC 6052: the last 32 bits of an address in here are the IPv4 address that is meant.
TRANSLATED = IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = IPv6Network("2000::/3")
REFUSED_6 = (
    (IPv6Network("2001::/23"), "reserved for protocols (RFC 2928), Teredo among them"),
    (IPv6Network("2001:db8::/32"), "documentation (RFC 3849)"),
    (IPv6Network("2002::/16"), "6to4, a tunnel to any IPv4 address (RFC 7526)"),
    (IPv6Network("3fff::/20"), "documentation (RFC 9637)"),
)
REFUSED_4 = (
    (IPv4Network("0.0.0.0/8"), "this network (RFC 791)"),
    (IPv4Network("10.0.0.0/8"), "private (RFC 1918)"),
    (IPv4Network("100.64.0.0/10"), "shared by carriers (RFC 6598)"),
    (IPv4Network("127.0.0.0/8"), "this machine (RFC 1122)"),
    (IPv4Network("168.63.129.16/32"), "a cloud's metadata service"),
    (IPv4Network("169.254.0.0/16"), "link-local, where clouds keep metadata (RFC 3927)"),
    (IPv4Network("172.16.0.0/12"), "private (RFC 1918)"),
    (IPv4Network("192.0.0.0/24"), "reserved for protocols (RFC 6890)"),
    (IPv4Network("192.0.2.0/24"), "documentation (RFC 5737)"),
    (IPv4Network("192.88.99.0/24"), "6to4 relays (RFC 7526)"),
    (IPv4Network("192.168.0.0/16"), "private (RFC 1918)"),
    (IPv4Network("198.18.0.0/15"), "benchmarks (RFC 2544)"),
    (IPv4Network("198.51.100.0/24"), "documentation (RFC 5737)"),
    (IPv4Network("203.0.113.0/24"), "documentation (RFC 5737)"),
    (IPv4Network("224.0.0.0/4"), "multicast (RFC 5771)"),
    (IPv4Network("240.0.0.0/4"), "reserved (RFC 1112)"),
)
NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)", re.IGNORECASE)


def why_not_public(address: str) -> str:
    """Why nothing may be fetched from an address; an empty text where it is public.

    >>> why_not_public("::ffff:10.0.0.1")
    'private (RFC 1918)'
    >>> why_not_public("1.1.1.1")
    ''
    """
    try:
        found = ip_address(address)
    except ValueError:
        return "not an IP address"
    return _why_not_4(found) if isinstance(found, IPv4Address) else _why_not_6(found)


def is_odd_number(host: str) -> bool:
    """Whether a host is an IPv4 address spelled so that programs disagree about it.

    One number, octal or hexadecimal parts, fewer than four parts: the address could be checked
    as one thing and reached as another.

    >>> is_odd_number("2130706433"), is_odd_number("0177.0.0.1"), is_odd_number("8.8.8.8")
    (True, True, False)
    """
    last = host.rstrip(".").rpartition(".")[2]
    if not NUMERIC.fullmatch(last):
        return False
    try:
        return str(IPv4Address(host)) != host
    except ValueError:
        return True


def _why_not_4(address: IPv4Address) -> str:
    return next((why for network, why in REFUSED_4 if address in network), "")


def _why_not_6(address: IPv6Address) -> str:
    if address.scope_id:
        return "bound to one network interface"
    if address.ipv4_mapped is not None:
        return _why_not_4(address.ipv4_mapped)
    if address in TRANSLATED:
        return _why_not_4(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in GLOBAL_UNICAST:
        return "not in the public part of IPv6 (RFC 4291)"
    return next((why for network, why in REFUSED_6 if address in network), "")
