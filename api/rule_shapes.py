"""Rules as they are shown, and as they are handed in."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.shapes import Asked, Page, PriorityWord, Shape, example
from api.times import Utc
from rules.documents.document import Kind, RuleState

#: A file's name, for people: what faults are called by.
DocumentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PackName = Annotated[str, StringConstraints(pattern="^[a-z0-9_]{1,40}$")]
#: The name of a document: SHA-256 of its bytes, in hex.
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
#: Documents of one request, and built-in packs. Source: product choice.
MOST_DOCUMENTS = 20


_KITCHEN = """version = "1"
[[rule]]
id = "kitchen-gas"
title = { zh = "厨房可燃气体", en = "Gas in the kitchen" }
priority = "high"
source = "product choice"
applies_to = ["detector"]
condition = "mean(combustible_lel, 1m) >= 10 %LEL"
action = "close"
"""


class Rule(Shape):
    """A rule in force. `document` says all that its table in the pack says, with what that leaves out."""

    id: str
    title_zh: str
    title_en: str
    kind: Kind
    priority: PriorityWord
    state: RuleState = Field(description="As written; see `reverted`")
    canary_pct: float | None = Field(description="Of a canary: at so many percent of the sites it is in force")
    reverted: str | None = Field(description="Why it was taken back to a dry run by itself; until it is edited")
    alarms: int = Field(description="Of it, not normal now")
    source: str = Field(description="The standard and clause its numbers are from, or `product choice`")
    document: dict[str, Any] = Field(description="Its keys as in docs/rule-pack.schema.json")
    overrides: list[dict[str, Any]] = Field(
        description="Other numbers of it for some devices; the last that fits holds"
    )


class Rules(Shape):
    """The pack in force, from the engine."""

    as_of: str = Field(description="The event id these are true for")
    sha256: str | None = Field(description="Its document: read /v1/rules/packs/{sha256}")
    version: str = Field(description="The author's")
    rules: list[Rule]


class RulesSince(Shape):
    """A pack that was in force at an engine from a time on."""

    id: str = Field(description="engine:cycle:n, as in the stream")
    engine: str
    since: Utc | None = Field(description="Null: any time before it was found in force")
    by: str | None = Field(description="A person, or the name of the pack's file")
    sha256: str
    at_earliest: bool = Field(description="It was found in force, and nobody saw it come")


class RulesOverTime(Page):
    packs: list[RulesSince]


class RuleDocument(Asked):
    """One document as it would stand in a file."""

    name: DocumentName = Field(default="rules.toml", description="What faults call it")
    toml: str = Field(description="Its text", examples=['version = "1"\n[[rule]]\nid = "gas"\n...'])


class RulesGiven(
    Asked, json_schema_extra=example(documents=[{"name": "kitchen.toml", "toml": _KITCHEN}], packs=["valves"])
):
    """Documents and built-in packs, taken together as one pack."""

    documents: list[RuleDocument] = Field(default=[], max_length=MOST_DOCUMENTS)
    packs: list[PackName] = Field(default=[], max_length=MOST_DOCUMENTS, description="Built-in ones, by name")


class RuleFault(Shape):
    """What is wrong, where, and what to do about it."""

    place: str = Field(description="file:line, as far as it is known", examples=["rules.toml:12"])
    rule: str | None = Field(description="The table, such as `rule 'gas'`; null: the whole document")
    key: str | None
    reason: str
    column: int | None = Field(description="Of a fault in an expression: where it begins, from 1")
    pointed: str | None = Field(description="The expression's line, and one below that points at the fault")


class RulesChecked(Shape):
    """`ok`: these may be used together. Nothing was put in force."""

    ok: bool
    faults: list[RuleFault]
    rules: list[str] = Field(description="Ids, in the order of the documents; empty where there are faults")
    bytes_per_device: int | None = Field(description="What they remember of every device")
    note: str | None = Field(description="The kinds of rule that are left out, and what is therefore said to nobody")
    warnings: list[str] = Field(description="Rules that do less than they may seem to")
