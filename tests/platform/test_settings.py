"""Settings: what wins, what is refused, and in which words."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davy import values
from davy.exits import CannotGoOn, Exit
from davy.settings import KEYS, LONGEST_SOCKET_PATH, load_settings, variable


def faults(environ: dict[str, str], here: Path) -> list[str]:
    with pytest.raises(CannotGoOn) as refused:
        load_settings(environ, here)
    assert refused.value.code is Exit.USAGE
    return str(refused.value).splitlines()


def test_without_anything_told_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert settings.data == tmp_path / ".davy"
    assert (settings.mqtt_host, settings.mqtt_port) == ("127.0.0.1", 1883)
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.database_url is None
    assert settings.store_cap_bytes == 4 << 30
    assert not settings.allow_plain


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "davy.toml").write_text('mqtt_port = 1884\nhttp_port = 8081\nstore_cap_bytes = "512 MiB"\n')
    settings = load_settings({"DAVY_MQTT_PORT": "1885"}, tmp_path)
    assert (settings.mqtt_port, settings.http_port) == (1885, 8081)
    assert settings.store_cap_bytes == 512 << 20


def test_relative_paths_in_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/davy.toml").write_text('data = "../data"\nrules = "pack.toml"\n')
    (tmp_path / "etc/pack.toml").write_text("")
    settings = load_settings({"DAVY_CONFIG": "etc/davy.toml"}, tmp_path)
    assert settings.data == tmp_path / "data"
    assert settings.rules == tmp_path / "etc/pack.toml"


def test_packs_are_named_or_are_files_relative_to_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/davy.toml").write_text('rule_packs = "methane, valves, mine.toml"\n')
    (tmp_path / "etc/mine.toml").write_text("")
    settings = load_settings({"DAVY_CONFIG": "etc/davy.toml"}, tmp_path)
    assert settings.rule_packs == ("methane", "valves", str(tmp_path / "etc/mine.toml"))
    assert load_settings(settings.environment(), Path("/")) == settings


def test_a_pack_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (told,) = faults({"DAVY_RULE_PACKS": "methane,valve"}, tmp_path)
    assert told.startswith("settings: DAVY_RULE_PACKS = 'methane,valve': must be names of packs or paths of files")
    assert "('valve' is neither)" in told
    assert "co_ul2034" in told
    assert "(each once)" in faults({"DAVY_RULE_PACKS": "methane,methane"}, tmp_path)[0]
    assert "is neither" in faults({"DAVY_RULE_PACKS": "./gone.toml"}, tmp_path)[0]


def test_rules_are_a_file_or_packs_and_not_both(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("")
    (told,) = faults({"DAVY_RULES": str(tmp_path / "mine.toml"), "DAVY_RULE_PACKS": "valves"}, tmp_path)
    assert "DAVY_RULES and DAVY_RULE_PACKS are both set" in told


def test_an_empty_config_variable_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "davy.toml").write_text("mqtt_port = 1884\n")
    assert load_settings({"DAVY_CONFIG": ""}, tmp_path).mqtt_port == 1883


def test_settings_passed_on_to_a_child_are_the_same_settings(tmp_path: Path) -> None:
    (tmp_path / "davy.toml").write_text('allow_plain = true\nmqtt_host = "0.0.0.0"\ncheckpoint_s = 7\n')
    settings = load_settings({"DAVY_DATABASE_URL": "postgresql:///x?host=/run"}, tmp_path)
    assert load_settings(settings.environment(), Path("/")) == settings


def test_a_wrong_value_is_named_with_its_key_its_value_and_what_is_allowed(tmp_path: Path) -> None:
    assert faults({"DAVY_MQTT_PORT": "65536"}, tmp_path) == [
        "settings: DAVY_MQTT_PORT = '65536': must be a whole number from 1 to 65535"
    ]


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "davy.toml").write_text('log_level = "loud"\nstore_cap_bytes = true\n[mqtt]\nport = 1\n')
    lines = faults({"DAVY_CHECKPOINT_S": "0", "DAVY_MODE": "timescale"}, tmp_path)
    assert len(lines) == 5
    assert "settings: davy.toml: log_level = 'loud': must be one of debug, info, warning, error" in lines
    assert any("unknown key mqtt" in line for line in lines)
    assert any("DAVY_MODE = 'timescale': must be one of auto, plain" in line for line in lines)


def test_a_misspelt_variable_is_refused_and_the_right_one_proposed(tmp_path: Path) -> None:
    assert faults({"DAVY_MQTT_PROT": "1"}, tmp_path) == [
        "settings: unknown variable DAVY_MQTT_PROT; did you mean DAVY_MQTT_PORT?"
    ]


def test_variables_of_the_test_suite_are_not_ours(tmp_path: Path) -> None:
    load_settings({"DAVY_TEST_MOSQUITTO_BIN": "/usr/bin"}, tmp_path)


def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    (line,) = faults({"DAVY_DATABASE_URL": "mysql://davy:hunter2@db"}, tmp_path)
    assert "hunter2" not in line
    assert "postgresql://" in line


@pytest.mark.parametrize(("key", "side"), [("mqtt_host", "MQTT"), ("http_host", "HTTP")])
def test_plain_listeners_beyond_this_machine_are_refused(tmp_path: Path, key: str, side: str) -> None:
    (line,) = faults({variable(key): "0.0.0.0"}, tmp_path)
    assert f"plain {side} beyond this machine is refused" in line
    assert "DAVY_ALLOW_PLAIN" in line
    assert load_settings({variable(key): "0.0.0.0", "DAVY_ALLOW_PLAIN": "yes"}, tmp_path).allow_plain


def test_with_tls_a_listener_may_face_the_world(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    environ = {"DAVY_MQTT_HOST": "::", "DAVY_MQTT_TLS_CERT": "cert.pem", "DAVY_MQTT_TLS_KEY": "key.pem"}
    assert load_settings(environ, tmp_path).mqtt_tls_cert == tmp_path / "cert.pem"


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("")
    (line,) = faults({"DAVY_MQTT_TLS_CERT": "cert.pem"}, tmp_path)
    assert "DAVY_MQTT_TLS_KEY is not set" in line


def test_two_listeners_on_one_port_are_refused(tmp_path: Path) -> None:
    (line,) = faults({"DAVY_HTTP_PORT": "1883"}, tmp_path)
    assert "the same as DAVY_MQTT_PORT" in line


def test_a_broken_file_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "davy.toml").write_text("mqtt_port = \n")
    (line,) = faults({}, tmp_path)
    assert "davy.toml" in line
    assert "line 1" in line


def test_a_config_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (line,) = faults({"DAVY_CONFIG": "nowhere.toml"}, tmp_path)
    assert "no such file" in line


def test_the_door_is_in_the_data_folder_unless_the_path_is_too_long_for_a_socket(tmp_path: Path) -> None:
    near = load_settings({"DAVY_DATA": "/d"}, tmp_path)
    assert near.door == Path("/d/door.sock")
    far = load_settings({"DAVY_DATA": "/" + "d" * 120}, tmp_path)
    assert far.door.parent == far.runtime_folder
    assert len(str(far.door)) <= LONGEST_SOCKET_PATH
    assert far.door == load_settings({"DAVY_DATA": "/" + "d" * 120}, Path("/")).door


@pytest.mark.parametrize("key", KEYS)
def test_every_default_is_allowed_and_every_setting_says_what_it_means(key: str) -> None:
    assert KEYS[key].meaning
    default = KEYS[key].default
    if default is not None and KEYS[key].read is not values.folder:
        KEYS[key].read(default)


def test_a_home_folder_that_nobody_has_is_a_wrong_path(tmp_path: Path) -> None:
    (told,) = faults({"DAVY_DATA": "~nobody-is-called-so/davy"}, tmp_path)
    assert "must be a path; nobody here has such a home folder" in told


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.booleans()))
def test_any_value_is_read_or_refused_and_nothing_else_happens(raw: values.Raw) -> None:
    for definition in KEYS.values():
        # OSError: a path that the system does not take, because it is too long.
        with contextlib.suppress(ValueError, OSError):
            definition.read(raw)


@given(st.integers(0, 1 << 50))
def test_a_size_is_read_back_from_its_text_within_rounding(size: int) -> None:
    again = values.size_bytes(0)(values.size_text(size))
    assert abs(again - size) <= 1 + size * 5e-4
