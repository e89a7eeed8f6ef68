"""docs/device-model.schema.json is what the code says today, and the shipped files are what it describes.

There is no JSON Schema validator among our dependencies: that every shipped file fits is shown by msgspec, which reads
the files with the same types that the schema is made from."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest

from devices.model_schema import model_schema
from devices.models import BUILT_IN, DeviceModel
from devices.register_map import Field, RegisterMap
from tests.devices.json_references import references

FILE = Path(__file__).parents[2] / "docs" / "device-model.schema.json"
SCHEMA = json.loads(model_schema())


def test_the_file_is_the_one_that_the_code_makes() -> None:
    remedy = "davy devices schema > docs/device-model.schema.json"
    assert FILE.read_bytes() == model_schema(), f"the format has changed: {remedy}"


def test_every_reference_leads_somewhere() -> None:
    found = [*references(SCHEMA)]
    assert len(found) > 20
    assert {reference.removeprefix("#/$defs/") for reference in found} == {*SCHEMA["$defs"]}


def test_it_names_the_keys_of_the_types_and_no_others() -> None:
    assert {*SCHEMA["properties"]} == {*DeviceModel.__struct_fields__} - {"key"}
    assert {*SCHEMA["$defs"]["RegisterMap"]["properties"]} == {*RegisterMap.__struct_fields__}
    assert SCHEMA["additionalProperties"] is False
    assert SCHEMA["required"] == ["vendor", "name", "kind", "source", "report_interval_s"]


def test_the_remarks_beside_the_fields_are_in_it() -> None:
    said = SCHEMA["$defs"]["Field"]["properties"]
    assert said["stride"]["description"].startswith("Registers (or bits) from one channel's to the next.")
    remarked = [name for name in Field.__struct_fields__ if "description" in said[name]]
    assert len(remarked) >= 15


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_file_fits_the_types_that_it_is_made_from(path: Path) -> None:
    document = tomllib.loads(path.read_text("utf-8"))
    assert {*document} <= {*SCHEMA["properties"]}
    msgspec.convert(document | {"key": path.stem}, DeviceModel)
