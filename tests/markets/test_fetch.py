"""What somebody else's address names is fetched from public hosts only, within limits."""

import gzip
import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.adapters import fetch
from markets.core import addresses
from tests.markets.loopback import PUBLIC, Asked, Said, serving

URL = "http://feeds.example/rss.xml"
INNER = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "203.0.113.9",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "not-an-address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_never_fetched_from(address: str) -> None:
    with serving(lambda _: Said()) as net:
        net.names["feeds.example"] = [[address]]

        with pytest.raises(fetch.AddressRefused, match="public addresses"):
            net.fetcher().get(URL)

        assert net.reached == []


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_fetched_from(address: str) -> None:
    assert addresses.why_not_public(address) == ""


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_refused_in_every_spelling(address: IPv4Address) -> None:
    refused = bool(addresses.why_not_public(str(address)))

    assert refused or address.is_global
    assert bool(addresses.why_not_public(f"::ffff:{address}")) == refused
    assert bool(addresses.why_not_public(str(IPv6Address((0x64FF9B << 96) | int(address))))) == (
        refused
    )
    assert not addresses.is_odd_number(str(address))
    assert addresses.is_odd_number(str(int(address)))
    assert addresses.is_odd_number(hex(int(address)))
    assert addresses.is_odd_number(".".join(f"0{part:o}" for part in address.packed))


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_refused_unless_python_calls_it_global_too(address: IPv6Address) -> None:
    meant = address.ipv4_mapped or address
    in_nat64 = address in addresses.TRANSLATED

    assert addresses.why_not_public(str(address)) or meant.is_global or in_nat64


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "0177.0.0.01", "1.2.3.08"]
)
def test_an_oddly_spelled_number_is_refused_before_anybody_interprets_it(host: str) -> None:
    with serving(lambda _: Said()) as net:
        with pytest.raises(fetch.AddressRefused, match=r"four decimal parts|Invalid IPv4"):
            net.fetcher().get(f"http://{host}/rss")

        assert net.reached == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://feeds.example/rss",
        "file:///etc/passwd",
        "gopher://feeds.example/",
        "//feeds.example/rss",
        "feeds.example",
        "",
        "http://",
        "http://ada:secret@feeds.example/",
        "http://feeds.example:22/",
        "https://feeds.example:6379/",
        "http://[::1",
        "http://feeds.example:99999/",
    ],
)
def test_only_plain_web_addresses_are_fetched(url: str) -> None:
    with serving(lambda _: Said()) as net:
        with pytest.raises(fetch.AddressRefused) as refusal:
            net.fetcher().get(url)

        assert net.reached == []
        assert "secret" not in str(refusal.value)


def test_one_bad_answer_among_good_ones_is_enough_to_refuse() -> None:
    with serving(lambda _: Said()) as net:
        net.names["feeds.example"] = [[PUBLIC, "10.0.0.1"]]

        with pytest.raises(fetch.AddressRefused, match=r"10\.0\.0\.1"):
            net.fetcher().get(URL)


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """DNS rebinding: the second answer of the name is an inner address; nobody asks for it."""
    with serving(lambda _: Said(body=b"<rss>1</rss>")) as net:
        net.names["feeds.example"] = [[PUBLIC], ["127.0.0.1"]]

        reply = net.fetcher().get(URL)

        assert reply.body == b"<rss>1</rss>"
        assert net.reached == [(PUBLIC, 80)]
        assert net.asked[0].headers["host"] == "feeds.example"


def test_every_redirect_is_checked_again() -> None:
    def answers(asked: Asked) -> Said:
        return Said(status=302, headers={"Location": "http://inner.example/latest/meta-data"})

    with serving(answers) as net:
        net.names["inner.example"] = [["169.254.169.254"]]

        with pytest.raises(fetch.AddressRefused, match=r"169\.254\.169\.254"):
            net.fetcher().get(URL)

        assert len(net.asked) == 1


@pytest.mark.parametrize(
    "where",
    ["http://[::1", "http://xn--/", "http://xn--a/", "/" + "x" * 70_000, "http://a:b/"],
)
def test_a_redirect_to_no_address_is_refused(where: str) -> None:
    moved = Said(status=302, headers={"Location": where})
    with serving(lambda _: moved) as net:
        with pytest.raises(fetch.AddressRefused, match="no address") as refusal:
            net.fetcher().get(URL)

        assert len(net.asked) == 1
        assert len(str(refusal.value)) < 400


def test_three_redirects_are_followed_and_a_fourth_is_not() -> None:
    def answers(asked: Asked) -> Said:
        left = int(asked.path.strip("/"))
        return Said() if left == 0 else Said(status=301, headers={"Location": f"/{left - 1}"})

    with serving(answers) as net:
        assert net.fetcher().get("http://feeds.example/3").url == "http://feeds.example/0"
        with pytest.raises(fetch.AddressRefused, match="more than 3 times"):
            net.fetcher().get("http://feeds.example/4")


def test_a_key_is_not_carried_to_another_origin() -> None:
    def answers(asked: Asked) -> Said:
        if asked.headers["host"] == "feeds.example":
            return Said(status=302, headers={"Location": "http://elsewhere.example/"})
        return Said()

    with serving(answers) as net:
        net.fetcher().get(URL, headers={"X-Api-Key": "secret"})

        assert [a.headers.get("x-api-key") for a in net.asked] == ["secret", None]


def test_a_reply_larger_than_allowed_is_cut_off() -> None:
    with (
        serving(lambda _: Said(body=b"x" * 5000)) as net,
        pytest.raises(fetch.TooLarge, match="4,999 bytes"),
    ):
        net.fetcher(largest=4999).get(URL)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with serving(lambda _: Said(body=bomb, headers={"Content-Encoding": "gzip"})) as net:
        assert len(bomb) < 100_000
        with pytest.raises(fetch.TooLarge):
            net.fetcher().get(URL)


def test_a_packed_reply_is_unpacked() -> None:
    body = b"<rss>" + b"news " * 10_000 + b"</rss>"
    packed = Said(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    with serving(lambda _: packed) as net:
        assert net.fetcher().get(URL).body == body


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_a_reply_that_cannot_be_unpacked_is_refused(encoding: str) -> None:
    said = Said(body=b"no such thing", headers={"Content-Encoding": encoding})
    with serving(lambda _: said) as net, pytest.raises(fetch.WrongContent):
        net.fetcher().get(URL)


def test_a_reply_that_drips_is_given_up_at_the_deadline() -> None:
    with (
        serving(lambda _: Said(body=b"x" * 500, drip_s=0.02)) as net,
        pytest.raises(fetch.TooSlow, match=r"within 0\.2 s"),
    ):
        net.fetcher(within_s=0.2).get(URL)


def test_a_page_instead_of_a_feed_is_refused() -> None:
    with (
        serving(lambda _: Said(headers={"Content-Type": "text/html"})) as net,
        pytest.raises(fetch.WrongContent, match="text/html"),
    ):
        net.fetcher().get(URL)


def test_what_was_seen_before_is_asked_for_by_its_mark_and_costs_nothing() -> None:
    def answers(asked: Asked) -> Said:
        known = asked.headers.get("if-none-match") == '"7"'
        return Said(status=304 if known else 200, body=b"", headers={"ETag": '"7"'})

    with serving(answers) as net:
        first = net.fetcher().get(URL)
        second = net.fetcher().get(URL, etag=first.etag, last_modified="yesterday")

        assert (first.not_modified, second.not_modified) == (False, True)
        assert net.asked[1].headers["if-modified-since"] == "yesterday"


def test_a_mark_that_no_header_can_carry_is_not_kept() -> None:
    with serving(lambda _: Said(headers={"ETag": '"é"', "Last-Modified": "é"})) as net:
        reply = net.fetcher().get(URL)

    assert (reply.etag, reply.last_modified) == ("", "")


def test_a_key_that_no_header_can_carry_is_not_told() -> None:
    with serving(lambda _: Said()) as net:
        with pytest.raises(fetch.FetchFailed) as failure:
            net.fetcher().get(URL, headers={"Authorization": "Bearer sesame\n"})
        assert net.asked == []

    assert "sesame" not in str(failure.value)


@pytest.mark.parametrize("status", [404, 429, 500])
def test_an_error_is_told_with_its_status_and_without_the_query(status: int) -> None:
    with serving(lambda _: Said(status=status)) as net:
        with pytest.raises(fetch.Answered, match=str(status)) as failure:
            net.fetcher().get(f"{URL}?apiKey=secret")

        assert failure.value.status == status
        assert "secret" not in str(failure.value)


def test_a_name_that_nobody_knows_and_a_closed_port_are_told_apart_from_a_refusal() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with serving(lambda _: Said()) as net:
        net.port = 1

        with pytest.raises(fetch.Unreachable, match="no reply"):
            net.fetcher().get(URL)
    with pytest.raises(fetch.Unreachable, match="not known"):
        fetch.Fetcher(names=unknown).get(URL)


def test_the_stand_in_on_this_machine_is_asked_in_a_demo_alone() -> None:
    with serving(lambda _: Said(body=b"<rss>demo</rss>")) as net:
        stand_in = f"http://127.0.0.1:{net.port}"

        demo = fetch.fetcher(feeds_url=stand_in, mode="DEMO")

        assert demo.get(f"{stand_in}/news.rss").body == b"<rss>demo</rss>"
        with pytest.raises(fetch.AddressRefused):
            demo.get(f"http://127.0.0.1:{net.port + 1}/news.rss")
        with pytest.raises(fetch.AddressRefused):
            fetch.fetcher(feeds_url=stand_in, mode="PAPER").get(f"{stand_in}/news.rss")


def test_a_public_page_may_not_redirect_to_the_inside_of_this_machine() -> None:
    moved = Said(status=302, headers={"Location": "http://127.0.0.1:6379/"})
    with serving(lambda _: moved) as net, pytest.raises(fetch.AddressRefused):
        net.fetcher(local="http://127.0.0.1:8900").get(URL)


def test_a_body_is_posted_once_and_never_redirected() -> None:
    def answers(asked: Asked) -> Said:
        if asked.path == "/moved":
            return Said(status=307, headers={"Location": "/token"})
        return Said(body=asked.body, headers={"Content-Type": "application/json"})

    with serving(answers) as net:
        fetcher = net.fetcher()
        form = {"Content-Type": "application/x-www-form-urlencoded"}

        reply = fetcher.post("http://a.example/token", b"a=1", accept=fetch.JSON, headers=form)

        assert reply.body == b"a=1"
        with pytest.raises(fetch.AddressRefused):
            fetcher.post("http://a.example/moved", b"a=1", accept=fetch.JSON, headers=form)
