"""One grammar for topics, parsed and formatted in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.topics import Kind, Topic, format_topic, parse_topic

ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


@given(ids, ids, st.sampled_from(Kind))
def test_what_is_formatted_is_parsed_again(vendor: str, serial: str, kind: Kind) -> None:
    assert parse_topic(format_topic(vendor, serial, kind)) == Topic(vendor, serial, kind)


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_raise_and_what_it_accepts_formats_back(text: str) -> None:
    for topic in (text, f"davy/v1/{text}/telemetry", f"davy/v1/a/{text}"):
        parsed = parse_topic(topic)
        assert parsed is None or format_topic(*parsed) == topic


@pytest.mark.parametrize(
    "topic",
    ["", "davy/v1/a/b", "davy/v1/a/b/telemetry/", "davy/v2/a/b/telemetry", "davy/v1/a/b/telemetry\n",
     "davy/v1//b/command", "davy/v1/+/b/command", "davy/v1/a/#", "davy/v1/a/b/Telemetry", "davy/v1/\u0430/b/telemetry",
     f"davy/v1/{'a' * 65}/b/reply", "davy/v1/a/b/telemetry\x00", "x" * 65_535],
)  # fmt: skip
def test_what_is_not_exactly_the_grammar_is_no_topic(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize("name", ["", "a b", "a/b", "+", "a" * 65, "a\n", "\u0430"])
def test_an_id_outside_the_grammar_cannot_be_formatted(name: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        format_topic(name, "b", Kind.COMMAND)
