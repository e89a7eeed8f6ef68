"""Whatever a model file says, loading it gives a model that works or a ValueError that names the file, nothing else."""

import json
import math
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.codecs.registers import compile_map
from devices.models import BUILT_IN, DeviceModel, load_catalogue, load_model
from devices.register_examples import good_zeros, run_examples

DOCUMENTS = {
    model.key: tomllib.loads((BUILT_IN / f"{model.key}.toml").read_text("utf-8"))
    for model in load_catalogue()
    if model.modbus is not None
}
JUNK = st.one_of(
    st.sampled_from([-1, 0, 1, 2**15, 2**31, 2**63, 10**400, -(10**400), 1e308, math.nan, math.inf, "", "state", True]),
    st.sampled_from([[], [[]], {}, [{}], [0, 2000], [5, -3], [math.nan], {"field": "x"}, [{"field": 1}], "close"]),
    st.integers(),
    st.text(max_size=5),
)


def toml(value: Any) -> str:
    """A value as inline TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str) else str(value)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in inner for place in ((*path, key), *places(value, (*path, key)))]


def altered(document: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    first, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[first] = altered(copy[first], tuple(rest), junk)
    return copy


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document = DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))]
    for _ in range(draw(st.integers(1, 2))):
        document = altered(document, draw(st.sampled_from(places(document))), draw(JUNK))
    return document


def loaded(path: Path) -> DeviceModel | None:
    """None: refused, and each line of the reason names the file."""
    try:
        return load_model(path)
    except ValueError as refused:
        lines = str(refused).splitlines()
    assert lines
    assert [line for line in lines if not line.startswith(f"{path}: ")] == []
    return None


HUGE = altered(DOCUMENTS["sim_modbus_detector"], ("modbus", "field", 1), {"name": "status", "at": 1, "bits": [0, 5000]})


@settings(max_examples=300, deadline=None)
@given(documents())
@example(HUGE)
@example(altered(DOCUMENTS["sim_modbus_panel"], ("modbus", "channels"), 10**400))
@example(altered(DOCUMENTS["sim_modbus_detector"], ("report_interval_s",), 10**400))
def test_a_file_of_any_content_loads_or_is_refused_by_name(document: dict[str, Any]) -> None:
    text = "\n".join(f"{json.dumps(name)} = {toml(value)}" for name, value in document.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(text, "utf-8", errors="surrogatepass")
        model = loaded(path)
    if model is not None and model.modbus is not None:
        compile_map(model)
        run_examples(model)
        good_zeros(model)


@given(st.binary(max_size=60))
def test_a_file_of_any_bytes_is_refused_by_name(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_bytes(body)
        assert loaded(path) is None, "nothing short is a model"
