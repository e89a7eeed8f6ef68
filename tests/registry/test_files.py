"""Files of the registry: what was exported comes back the same, and hostile ones are refused, with the place."""

import csv
import io
import json
import random
import zipfile
from pathlib import Path

import msgspec
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.registry_export import TABLE_COLUMNS, cells_of
from storage.registry_kinds import KINDS, ROWS, ZH, as_meant, column_of, harmless, joined, several
from storage.registry_rows import SourceRow
from storage.registry_source import parse_source
from storage.registry_workbook import write_template
from storage.registry_xlsx_look import MOST_UNPACKED, look

#: Texts as people and machines write them: formulas, separators, other scripts.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")) | st.sampled_from("=+-@';\\,\"\n\t"),
    max_size=12,
)


def site_cells(text: str) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([["kind", "key", "name"], ["site", "s", harmless(text)]])
    return out.getvalue().encode()


@given(TEXT)
def test_a_text_that_was_made_harmless_comes_back_as_it_was(text: str) -> None:
    assert as_meant(harmless(text)) == text.strip()
    assert harmless(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


@given(st.lists(TEXT.map(str.strip).filter(bool), max_size=5))
def test_several_words_in_a_cell_come_back_as_they_were(words: list[str]) -> None:
    assert several(joined(words)) == words


@given(TEXT)
def test_a_name_comes_back_from_csv_as_it_went_out(name: str) -> None:
    (row,) = parse_source(site_cells(name))
    assert row.fault == ""
    assert row.given.name == name.strip().replace("\r\n", "\n").replace("\r", "\n")  # type: ignore[union-attr]


def workbook(path: Path, sheets: dict[str, list[list[str]]]) -> bytes:
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell)
    book.close()
    return path.read_bytes()


@settings(max_examples=40)
@given(name=TEXT.filter(lambda text: text.strip()))
def test_a_name_comes_back_from_a_workbook_as_it_went_out(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("book") / "a.xlsx"
    (row,) = parse_source(workbook(path, {"site": [["key", "name"], ["s", harmless(name)]]}))
    assert (row.place, row.fault) == ("site!2", "")
    assert row.given.name == name.strip()  # type: ignore[union-attr]


def rows_or_refusal(body: bytes, begins: str = "") -> None:
    """Never anything else: no other exception, no row that is neither usable nor at fault."""
    try:
        rows = parse_source(body)
    except ValueError as wrong:
        refusal = str(wrong)
        if not refusal or not refusal.startswith(begins):
            raise AssertionError(refusal) from wrong
    else:
        assert all(row.given is not None or row.fault for row in rows)


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_a_refusal_with_words(body: bytes) -> None:
    rows_or_refusal(body)


@given(st.text(max_size=200))
def test_any_text_below_a_header_is_rows_or_a_refusal(text: str) -> None:
    body = f"kind,key,name,vendor,serial,model,site,votes,detectors,since,code\n{text}".encode("utf-8", "replace")
    rows_or_refusal(body, "line ")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([kind.plural for kind in KINDS]) | st.text(max_size=4), _JSON, max_size=4))
def test_any_json_is_rows_or_a_refusal(document: dict[str, object]) -> None:
    rows_or_refusal(json.dumps(document).encode())


@pytest.fixture(scope="module")
def small_workbook(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Made once: a workbook says when it was made, so two are not of the same length."""
    path = tmp_path_factory.mktemp("book") / "a.xlsx"
    return workbook(path, {"site": [["key", "name"], ["s", "Lane 5"]], "link": [["detector", "valve"]]})


@given(st.data())
@settings(max_examples=60)
def test_a_workbook_with_changed_bytes_is_rows_or_a_refusal(small_workbook: bytes, data: st.DataObject) -> None:
    whole = bytearray(small_workbook)
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    rows_or_refusal(bytes(whole))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_is_read_as_it_is_written_in_any_of_the_three_encodings(encoding: str) -> None:
    text = "类别,编号,名称,地址\n用户,s-1,重庆市武隆区建设中路1号,龘家院子\n"
    (row,) = parse_source(text.encode(encoding))
    assert (row.fault, row.given.name) == ("", "重庆市武隆区建设中路1号")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("kind,key\nsite,s\n".encode("utf-16"), "UTF-16"),
        ("kind,key\nsite,s\n".encode("utf-16-le"), "NUL byte"),
        ("kind,key,name\nsite,s,Größe der Küche\n".encode("latin-1"), "line 2: byte 0xf6 is not UTF-8.*save it as"),
        ("kind,key,name\nsite,s,東京都千代田区\n".encode("shift-jis"), "line 2: byte 0x93 is not UTF-8"),
        (b"kind,key\nsite,\x81\n", "line 2: byte 0x81 is not UTF-8, and line 2 is not GB18030"),
        (b"\xd0\xcf\x11\xe0 old", r"\.xls"),
        (b'kind,key\nsite,"s\n', "quotation mark"),
        (b"kind,key," + b"name," * 1_000_000 + b"\n", "columns; at most"),
        (b"kind,key,key\n", "each once"),
        (b'{"sites": ' + b"[" * 100_000, "nested|malformed|truncated"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_place_and_remedy(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_source(body)


def test_a_cell_of_ten_megabytes_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: field larger"):
        parse_source(b"kind,key,name\nsite,s," + b"x" * 10_000_000 + b"\n")
    (row,) = parse_source(b"kind,key,name\nsite,s," + b"x" * 100_000 + b"\n")
    assert "at most 32,767" in row.fault
    (row,) = parse_source(json.dumps({"sites": [{"key": "s", "name": "x" * 10_000_000}]}).encode())
    assert "at most 32,767" in row.fault


def sheet_of(data: str, **others: str) -> bytes:
    """A workbook by hand: one sheet `site` with this sheetData."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<?xml version="1.0"?><Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<?xml version="1.0"?><Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{relations}">'
        '<sheets><sheet name="site" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<?xml version="1.0"?><Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{data}</sheetData>'
        "</worksheet>",
        **others,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def cell(at: str, text: str) -> str:
    return f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>'


HEADER = f'<row r="1">{cell("A1", "key")}{cell("B1", "name")}</row>'


def test_a_workbook_by_hand_is_read() -> None:
    (row,) = parse_source(sheet_of(HEADER + f'<row r="2">{cell("A2", "s")}{cell("B2", "Lane")}</row>'))
    assert (row.place, row.fault, row.key) == ("site!2", "", "s")


def test_a_formula_is_a_fault_of_its_row_and_is_never_evaluated() -> None:
    rows = parse_source(
        sheet_of(
            HEADER
            + f'<row r="2">{cell("A2", "s")}<c r="B2"><f>HYPERLINK("http://x")</f><v>1</v></c></row>'
            + f'<row r="3">{cell("A3", "t")}{cell("B3", "=1+1")}</row>'
        )
    )
    assert [(row.place, "B2 is a formula" in row.fault) for row in rows if row.fault] == [("site!2", True)]
    (text,) = [row for row in rows if not row.fault]
    assert text.given.name == "=1+1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (sheet_of(HEADER + f'<row r="2">{cell("A2", "x" * 10_000_000)}</row>'), "times its size|a cell of more than"),
        (
            sheet_of(HEADER + '<row r="2">' + cell("A2", random.Random(1).randbytes(900_000).hex()) + "</row>"),
            "a cell of",
        ),
        (sheet_of(HEADER + f'<row r="1048576">{cell("XFD1048576", "x")}</row>'), "columns; at most"),
        (sheet_of(HEADER + f'<row r="1048576">{cell("GR1048576", "x")}</row>'), "cells; at most"),
        (sheet_of(HEADER + f'<row r="9999999">{cell("A9999999", "x")}</row>'), "rows; at most"),
        (sheet_of(HEADER + '<row r="2"><c r="&#65;2"/></row>'), "calls itself"),
        (sheet_of(HEADER, **{"xl/a.xml": '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'}), "document type"),
        (sheet_of(HEADER, **{"xl/a.xml": '<?xml version="1.0" encoding="UTF-7"?><x/>'}), "UTF-8"),
        (sheet_of(HEADER, **{f"xl/media/{n}": "" for n in range(1_001)}), "entries; at most"),
        (sheet_of(HEADER, **{"xl/media/a.bin": "\0" * 60_000_000}), "times its size"),
        (sheet_of(HEADER)[:-30], "cannot be unpacked"),
        (b"PK\x03\x04", "cannot be unpacked"),
    ],
    ids=range(12),
)
def test_a_workbook_that_would_be_too_much_is_refused_before_it_is_opened(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_source(body)


def test_a_bomb_that_says_that_it_is_small_is_stopped_where_it_says_it_ends() -> None:
    whole = bytearray(sheet_of(HEADER, **{"xl/media/a.bin": "\0" * 60_000_000}))
    size = (60_000_000).to_bytes(4, "little")
    while (at := whole.find(size)) >= 0:
        whole[at : at + 4] = (1_000).to_bytes(4, "little")
    with pytest.raises(ValueError, match="cannot be unpacked"):
        look(bytes(whole))
    assert MOST_UNPACKED < 1 << 30


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    external = '<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'
    rows = parse_source(sheet_of(HEADER, **{"xl/externalLinks/externalLink1.xml": external}))
    assert rows == ()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_template_is_a_file_of_the_registry_without_rows(tmp_path: Path, lang: str) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, lang=lang)
    assert parse_source(path.read_bytes()) == ()


def test_every_column_has_a_chinese_name_of_its_own() -> None:
    assert set(TABLE_COLUMNS) <= set(ZH)
    assert len(set(ZH.values())) == len(ZH)
    for name in TABLE_COLUMNS:
        assert column_of(ZH[name]) == column_of(name) == name


def any_written(kind_name: str) -> st.SearchStrategy[msgspec.Struct]:
    kind = next(kind for kind in KINDS if kind.name == kind_name)
    day = st.dates().map(str) | st.just("")
    word = TEXT.map(str.strip).filter(bool)

    def made(field: msgspec.structs.FieldInfo) -> st.SearchStrategy[object]:
        if field.name in kind.days:
            return st.dates().map(str) if field.required else day
        if field.type is str:
            return word if field.required else TEXT.map(str.strip)
        if field.type == tuple[str, ...]:
            return st.lists(word, min_size=int(field.required), max_size=3).map(lambda words: tuple(sorted(set(words))))
        return st.from_type(field.type)

    return st.builds(kind.written, **{field.name: made(field) for field in msgspec.structs.fields(kind.written)})


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if kind.name not in ("token", "site_facts")])
@settings(max_examples=30)
@given(data=st.data())
def test_what_is_exported_of_a_kind_is_read_as_the_same_row(kind: str, data: st.DataObject) -> None:
    written = data.draw(any_written(kind))
    cells = dict(zip(written.__struct_fields__, cells_of(written), strict=True))
    given_cells = {name: text for name, cell_ in cells.items() if (text := as_meant(cell_))}
    from_text: SourceRow = ROWS[kind].of_text("here", given_cells)
    from_json = ROWS[kind].of_json("here", msgspec.json.encode(written))
    assert (from_text.given, from_text.fault) == (from_json.given, from_json.fault)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "line 1: a header"),
        ("kind,colour\n", "got colour"),
        ('{"houses": []}', "houses"),
        ("\xff\xfe", "line 1"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_place(source: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_source(source.encode())


@pytest.mark.parametrize(
    ("source", "place", "reason"),
    [
        ("kind,key\nhouse,1\n", "line 2", "kind 'house' must be one of enterprise, area, site"),
        ("kind,key,valve\nsite,home-1,x/y\n", "line 2", "a site has no valve"),
        ("kind,key,name\nsite,,Lane\n", "line 2", "key must be given"),
        ("kind,key,simulated\nsite,h,perhaps\n", "line 2", "simulated 'perhaps'"),
        ("kind,key\nsite,h,more\n", "line 2", "more cells"),
        ('{"sites": [{"key": "h"}, {"key": 1}]}', "sites[1]", "Expected `str`, got `int` - at `$.key`"),
        ("kind,vendor,serial,model,site,installed\ndevice,a,b,m,s,2026-02-30\n", "line 2", "'2026-02-30' is no day"),
        ("kind,vendor,serial,model,site,installed\ndevice,a,b,m,s,20260230\n", "line 2", "write it as YYYY-MM-DD"),
    ],
)
def test_a_row_that_cannot_be_read_is_a_fault_of_its_own(source: str, place: str, reason: str) -> None:
    (wrong,) = [row for row in parse_source(source.encode()) if row.fault]
    assert (wrong.place, reason in wrong.fault) == (place, True), wrong
