"""The kinds of rows that files of the registry hold: their words, their columns, and how text becomes a frozen row.

T1  A cell that begins with one of `= + - @` is text here and is never evaluated. An export puts `'` before it, so that
    no spreadsheet evaluates it either, and an import takes that `'` away: what was exported comes back the same.
T2  What cannot be used is a fault of its row, with place, reason and remedy; other rows are looked at all the same.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, get_origin

import msgspec

from access.enterprises import Enterprise, EnterpriseKind
from access.people import Contact, Person, RoleAtSite
from devices.areas import Area
from devices.register import Certificate, DeviceFacts, Installation, LinkFacts, SiteFacts
from devices.sites import Link, MatrixRow, Site, token_sha256
from storage.registry_rows import DeviceGiven, Given, SourceRow, TokenGiven, key_of

#: A token is 256 random bits; in any usual spelling that is 43 characters or more. Shorter ones can be guessed, and an
#: unsalted hash protects only what cannot.
SHORTEST_TOKEN = 32
#: Characters of a cell, as many as a spreadsheet's own cell may have (ECMA-376 part 1, 18.3.1; Excel's limit).
MOST_CELL = 32_767
#: Columns of a table; ours have about thirty. Product choice.
MOST_COLUMNS = 200
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
#: Characters that neither PostgreSQL (NUL) nor XML 1.0 (2.2, Char) can hold, so that no export could say them.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection).
_FORMULA = "=+-@\t\r"
_WORDS = re.compile(r"(?:\\.|[^;\\])+", re.DOTALL)


class TokenWritten(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token as files give it: in clear or as its hash; neither: make one."""

    identity: str
    token: str = ""
    token_sha256: str = ""


class EnterpriseWritten(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An enterprise as files give it: `kind` is the row's own word there."""

    key: str
    party: EnterpriseKind
    name: str = ""
    name_en: str = ""
    uscc: str = ""
    vendor: str = ""
    area: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind. name: the word in the column `kind` and of a sheet; plural: its list in JSON; zh: name in Chinese."""

    name: str
    plural: str
    zh: str
    written: type[msgspec.Struct]
    days: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.written.__struct_fields__


#: In the order in which they need each other.
KINDS: tuple[FileKind, ...] = (
    FileKind("enterprise", "enterprises", "企业", EnterpriseWritten),
    FileKind("area", "areas", "行政区", Area, ("since", "until")),
    FileKind("site", "sites", "用户", Site),
    FileKind("site_facts", "site_facts", "用户档案", SiteFacts, ("gas_on",)),
    FileKind("person", "people", "人员", Person),
    FileKind("contact", "contacts", "联系人方式", Contact, ("proven",)),
    FileKind("site_role", "site_roles", "人员角色", RoleAtSite, ("since", "until")),
    FileKind("device", "devices", "设备", DeviceGiven, ("installed", "calibration_due")),
    FileKind("device_facts", "device_facts", "设备档案", DeviceFacts, ("made", "life_end")),
    FileKind("certificate", "certificates", "证书", Certificate, ("issued", "expires")),
    FileKind("installation", "installations", "安装", Installation, ("since", "until", "gas_on_check", "inspected")),
    FileKind("link", "links", "联动", Link),
    FileKind("link_facts", "link_facts", "联动档案", LinkFacts, ("since",)),
    FileKind("matrix", "matrix", "矩阵", MatrixRow),
    FileKind("token", "tokens", "令牌", TokenWritten),
)
KIND_BY_NAME = {kind.name: kind for kind in KINDS}
ORDER = {kind.name: at for at, kind in enumerate(KINDS)}

#: Columns in Chinese.
ZH: Mapping[str, str] = {
    "kind": "类别",
    "key": "编号",
    "name": "名称",
    "address": "地址",
    "enterprise": "燃气企业",
    "timezone": "时区",
    "simulated": "模拟",
    "area": "行政区划",
    "building": "楼栋",
    "riser": "立管",
    "site_class": "用户类别",
    "tags": "标签",
    "manager": "物业",
    "vendor": "厂家",
    "serial": "出厂编号",
    "model": "型号",
    "site": "所属用户",
    "gateway": "网关",
    "installed": "安装日期",
    "calibration_due": "检定到期",
    "installer": "安装单位",
    "detector": "探测器",
    "valve": "切断阀",
    "id": "序号",
    "detectors": "探测器组",
    "votes": "表决数",
    "rules": "规则",
    "valves": "切断阀组",
    "fans": "风机组",
    "identity": "设备标识",
    "token": "令牌明文",
    "token_sha256": "令牌摘要",
    "party": "企业类型",
    "name_en": "英文名称",
    "uscc": "统一社会信用代码",
    "contact": "联系方式",
    "code": "代码",
    "parent": "上级",
    "since": "开始日期",
    "until": "结束日期",
    "department": "主管部门",
    "neighbourhood": "小区类型",
    "hardship": "困难群众",
    "funding": "资金来源",
    "building_height_m": "建筑高度_m",
    "gas_supply": "气源",
    "gas_on": "通气日期",
    "identifier": "工业互联网标识",
    "identifier_kind": "标识类型",
    "mounting": "安装位置",
    "made": "生产日期",
    "life_end": "寿命到期",
    "scheme": "证书类型",
    "number": "证书编号",
    "issuer": "发证机构",
    "issued": "发证日期",
    "expires": "有效期至",
    "evidence": "证明材料",
    "gas_on_check": "通气验收",
    "inspected": "巡检日期",
    "replaces": "替换设备",
    "reason": "原因",
    "ended_because": "结束原因",
    "tenant": "所属燃气企业",
    "telephone": "电话",
    "id_number": "身份证号",
    "language": "语言",
    "needs": "特殊需求",
    "person": "人员编号",
    "channel": "联系渠道",
    "rank": "顺序",
    "proven": "核实日期",
    "proven_by": "核实方式",
    "role": "角色",
}
_COLUMN_OF = {zh: column for column, zh in ZH.items()} | {column: column for column in ZH}
_KIND_OF = {kind.zh: kind.name for kind in KINDS} | {word: k.name for k in KINDS for word in (k.name, k.plural)}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "是"}), frozenset({"", "false", "0", "no", "否"})


def column_of(header: str) -> str | None:
    """The column that a header names, in Chinese or English; None: no column of ours."""
    word = header.strip()
    return _COLUMN_OF.get(word) or _COLUMN_OF.get(word.lower().replace(" ", "_"))


def kind_of(word: str) -> FileKind | None:
    """The kind that a word of the column `kind`, or a sheet's name, means."""
    word = word.strip()
    return KIND_BY_NAME.get(_KIND_OF.get(word) or _KIND_OF.get(word.lower(), ""))


def harmless(text: str) -> str:
    """T1, for an export."""
    if (text and text[0] in _FORMULA) or (text[:1] == "'" and len(text) > 1 and text[1] in _FORMULA + "'"):
        return "'" + text
    return text


def as_meant(cell: str) -> str:
    """T1, for an import: the inverse of `harmless`, and blanks around it go."""
    if cell[:1] == "'" and len(cell) > 1 and cell[1] in _FORMULA + "'":
        cell = cell[1:]
    return cell.strip()


def several(text: str) -> list[str]:
    r"""The words of a cell that holds several, `;` between them; `\;` and `\\` are themselves."""
    found = (re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL).strip() for word in _WORDS.findall(text))
    return [word for word in found if word]


def joined(words: Iterable[str]) -> str:
    """The inverse of `several`."""
    return ";".join(word.replace("\\", "\\\\").replace(";", "\\;") for word in words)


class Rows:
    """Makes rows of a kind, of text and of JSON."""

    def __init__(self, kind: FileKind) -> None:
        self.kind = kind
        self._decoder = msgspec.json.Decoder(kind.written)
        fields = msgspec.structs.fields(kind.written)
        self._several = frozenset(field.name for field in fields if get_origin(field.type) is tuple)
        self._yes_or_no = frozenset(field.name for field in fields if field.type is bool)
        self._required = tuple(field.name for field in fields if field.required)

    def of_text(self, place: str, cells: Mapping[str, str]) -> SourceRow:
        """`cells`: column -> what stands there, without the empty ones."""
        given: dict[str, Any] = dict(cells)
        try:
            for name in self._several & given.keys():
                given[name] = several(given[name])
            for name in self._yes_or_no & given.keys():
                given[name] = _yes(name, given[name])
            missing = [name for name in self._required if name not in given]
            if missing:
                raise ValueError(f"{', '.join(missing)} must be given")
            return self._row(place, msgspec.convert(given, self.kind.written, strict=False))
        except ValueError as wrong:
            return SourceRow(place, self.kind.name, _guessed_key(cells), None, _plainly(wrong))

    def of_json(self, place: str, raw: bytes | msgspec.Raw) -> SourceRow:
        try:
            return self._row(place, self._decoder.decode(raw))
        except (ValueError, RecursionError) as wrong:
            return SourceRow(place, self.kind.name, "", None, _plainly(wrong))

    def _row(self, place: str, written: msgspec.Struct) -> SourceRow:
        fault = _text_fault(written)
        given, own = _given(_tidied(written))
        return SourceRow(place, self.kind.name, key_of(given), given, fault or own or self._days_fault(given))

    def _days_fault(self, given: Given) -> str:
        faults = (day_fault(name, getattr(given, name)) for name in self.kind.days)
        return next((fault for fault in faults if fault), "")


ROWS: Mapping[str, Rows] = {kind.name: Rows(kind) for kind in KINDS}


def day_fault(name: str, day: str) -> str:
    """What is wrong with a day that may be empty."""
    try:
        if not day or (_DAY.match(day) and date.fromisoformat(day)):
            return ""
    except ValueError:
        pass
    return f"{name} {day!r} is no day; write it as YYYY-MM-DD, or leave it empty where it is not known"


def _yes(name: str, word: str) -> bool:
    word = word.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{name} {word!r} must be true or false")
    return word in _TRUE


def _plainly(wrong: Exception) -> str:
    if isinstance(wrong, RecursionError):
        return "is nested too deeply; nothing of ours is"
    return str(wrong)


def _guessed_key(cells: Mapping[str, str]) -> str:
    """What a row that cannot be used is about, for people."""
    if "vendor" in cells and "serial" in cells:
        return f"{cells['vendor']}/{cells['serial']}"
    return next((cells[name] for name in ("key", "identity", "id", "detector") if name in cells), "")[:200]


def _text_fault(written: msgspec.Struct) -> str:
    for value in msgspec.structs.astuple(written):
        for word in value if isinstance(value, tuple) else (value,):
            if not isinstance(word, str) or (len(word) <= MOST_CELL and word.isprintable()):
                continue
            if found := _UNWRITABLE.search(word):
                name = "NUL" if found[0] == "\x00" else f"control (U+{ord(found[0]):04X})"
                return f"a {name} character; take it out"
            if len(word) > MOST_CELL:
                return f"a text of {len(word):,} characters; at most {MOST_CELL:,}"
    return ""


def _tidied(written: msgspec.Struct) -> msgspec.Struct:
    """Without blanks around its texts, line ends as `\\n`, its tags in order: the same thing said is the same row."""
    changed: dict[str, Any] = {}
    for name, value in zip(written.__struct_fields__, msgspec.structs.astuple(written), strict=True):
        if not value:
            if name in _DEFAULTS and value == "":
                changed[name] = _DEFAULTS[name]
        elif isinstance(value, str):
            if (tidy := _tidy(value)) != value:
                changed[name] = tidy
        elif name == "tags" and (tags := tuple(sorted({_tidy(tag) for tag in value} - {""}))) != value:
            changed[name] = tags
        elif name == "needs" and (needs := tuple(sorted(set(value)))) != value:
            changed[name] = needs
    return msgspec.structs.replace(written, **changed) if changed else written


#: Of texts that are never empty: what an empty one means.
_DEFAULTS = {"timezone": "UTC", "language": "zh"}


def _tidy(text: str) -> str:
    text = text.strip()
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _given(written: Any) -> tuple[Given, str]:
    """The row, and what is wrong with it whatever the registry holds."""
    if isinstance(written, EnterpriseWritten):
        written = Enterprise(*msgspec.structs.astuple(written))
    if not isinstance(written, TokenWritten):
        return written, _own_fault(written)
    nothing = TokenGiven(written.identity)
    if written.token and written.token_sha256:
        return nothing, "give `token` or `token_sha256`, not both"
    if written.token and len(written.token) < SHORTEST_TOKEN:
        return nothing, (
            f"a token has at least {SHORTEST_TOKEN} characters (256 random bits); leave it empty to have one made"
        )
    if written.token_sha256 and not _SHA256.match(written.token_sha256):
        return nothing, "token_sha256 is 64 lower-case hexadecimal digits"
    return TokenGiven(written.identity, token_sha256(written.token) if written.token else written.token_sha256), ""


def _own_fault(given: Given) -> str:
    match given:
        case Site(key="") | Enterprise(key="") | Installation(key=""):
            return "its key is empty; give it one"
        case SiteFacts(building_height_m=height) if height is not None and not 0 < height < 2_000:
            return f"building_height_m {height:g} is no height of a building, in metres"
        case Certificate(scheme="") | Certificate(number=""):
            return "a certificate has a scheme and a number"
        case Certificate(identity=identity, model=model) if bool(identity) == bool(model):
            return "a certificate is of one device (identity) or of a model: give one of the two"
        case Person(key="") | Person(tenant="") | Contact(person="") | RoleAtSite(person=""):
            return "a person has a key, and a tenant whose customer it is"
        case Contact(rank=rank) if not 1 <= rank <= 1_000:
            return f"rank {rank} must be 1 or more"
        case Installation(since=""):
            return "since must be given: the day from which it stood there"
        case _:
            return ""
