"""A way out that cannot be turned inwards."""

import ipaddress
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from notify.outgoing.guard import Address, Forbidden, Guard, Unreached, public, url_faults
from notify.outgoing.signed import new_secret, signed_headers
from tests.notify.receiver import Receiver, receiving, resolver


def here(receiver: Receiver, **more: object) -> Guard:
    """A guard that may reach loopback, which no setting can make it do."""
    told = {"resolver": resolver("127.0.0.1"), "admits": lambda _: True, "trusted": receiver.trusted} | more
    return Guard(**told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1",
        "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_asked(text: str) -> None:
    assert not public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_may_be_asked(text: str) -> None:
    assert public(ipaddress.ip_address(text))


@given(st.ip_addresses(network="127.0.0.0/8") | st.ip_addresses(network="10.0.0.0/8"))
def test_no_spelling_of_an_inner_address_passes(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(address))
    tunnelled = ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80)
    every: list[Address] = [address, mapped, translated, tunnelled]
    assert not any(public(one) for one in every)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a.example/", "only https"),
        ("file:///etc/passwd", "only https"),
        ("gopher://a.example/", "only https"),
        ("https:///x", "names no host"),
        ("https://u:p@a.example/", "credentials"),
        ("https://a.example:22/", "another service's"),
        ("https://a.example:99999/", "out of range"),
        ("https://a.example/#x", "fragment"),
        ("https://a.example/\r\nHost: b", "printable"),
        ("https://a.example/ x", "printable"),
        ("https://ä.example/", "printable"),
        ("https://" + "a" * 2_001, "at most"),
        ("https://[::1", "Invalid"),
    ],
)
def test_an_address_that_is_none_to_send_to_is_refused_with_the_reason(url: str, reason: str) -> None:
    assert reason in url_faults(url)


async def test_a_signed_message_arrives_with_the_name_kept_and_is_verified_by_its_receiver(tmp_path: Path) -> None:
    secrets = [new_secret(lambda n: bytes(range(n))), new_secret(lambda n: bytes(n))]
    async with receiving(tmp_path) as receiver:
        body = '{"type":"alarm_raised","说":"阀门已关"}'
        headers = signed_headers("evt_1", body, secrets, time.time_ns() // 1_000)
        answer = await here(receiver).post(receiver.url(), body.encode(), headers)
    assert (answer.status, answer.body) == (200, b"ok")
    (got,) = receiver.received
    assert got.headers["host"] == f"receiver.example:{receiver.port}"
    for secret in secrets:  # while one takes the other's place, either is enough
        assert Webhook(secret).verify(got.body, got.headers)["type"] == "alarm_raised"


async def test_a_name_that_means_an_inner_address_is_refused_and_nobody_is_connected_to(tmp_path: Path) -> None:
    async with receiving(tmp_path) as receiver:
        for addresses in (("127.0.0.1",), ("1.1.1.1", "127.0.0.1"), ("::ffff:127.0.0.1",)):
            guard = Guard(resolver=resolver(*addresses), trusted=receiver.trusted)
            with pytest.raises(Forbidden, match="no public address"):
                await guard.post(receiver.url(), b"{}", {})
    assert receiver.received == []


async def test_a_name_that_changes_its_address_after_it_was_judged_changes_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.66"]

    async with receiving(tmp_path) as receiver:
        answer = await here(receiver, resolver=rebinding).post(receiver.url(), b"{}", {})
    assert (answer.status, asked) == (200, ["receiver.example"])


async def test_a_certificate_for_another_name_is_not_taken(tmp_path: Path) -> None:
    async with receiving(tmp_path) as receiver:
        with pytest.raises(Unreached, match="CERTIFICATE_VERIFY_FAILED"):
            await here(receiver).post(receiver.url("other.example"), b"{}", {})
    assert receiver.received == []


async def test_a_redirect_is_an_answer_and_is_not_followed(tmp_path: Path) -> None:
    async with receiving(tmp_path) as receiver:
        receiver.answer = b"HTTP/1.1 302 Found\r\nLocation: https://receiver.example/inner\r\nContent-Length: 0\r\n\r\n"
        answer = await here(receiver).post(receiver.url(), b"{}", {})
    assert (answer.status, len(receiver.received)) == (302, 1)


async def test_an_answer_without_end_is_cut_off_and_is_a_failure(tmp_path: Path) -> None:
    async with receiving(tmp_path) as receiver:
        receiver.answer, receiver.endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", True
        with pytest.raises(Unreached, match="longer than 65536 bytes"):
            await here(receiver).post(receiver.url(), b"{}", {})


async def test_a_receiver_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    async with receiving(tmp_path) as receiver:
        receiver.answer = None
        with pytest.raises(Unreached, match=r"within 0\.3 s"):
            await here(receiver, within_s=0.3).post(receiver.url(), b"{}", {})


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"HTTP/1.1 banana\r\n\r\n", b"", b"\x00" * 50])
async def test_what_is_no_http_is_a_failure(tmp_path: Path, answer: bytes) -> None:
    async with receiving(tmp_path) as receiver:
        receiver.answer = answer
        with pytest.raises(Unreached):
            await here(receiver, within_s=2.0).post(receiver.url(), b"{}", {})


async def test_proxies_of_the_environment_are_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with receiving(tmp_path) as receiver:
        assert (await here(receiver).post(receiver.url(), b"{}", {})).status == 200


async def test_a_name_that_nobody_knows_is_tried_again_later() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(Unreached, match="has no address"):
        await Guard(resolver=unknown).post("https://nowhere.example/", b"{}", {})
