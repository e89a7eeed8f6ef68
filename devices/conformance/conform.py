"""The verdict on a model, clause by clause."""

from dataclasses import dataclass

from devices.conformance.evidence import Evidence
from devices.conformance.questions import QUESTIONS, Finding, Verdict
from devices.conformance.requirements import Clause, Requirements
from devices.models import DeviceKind, Tier


@dataclass(frozen=True, slots=True)
class ClauseFound:
    """A clause is met when each of its questions is, and not met when one of them is not."""

    clause: Clause
    verdict: Verdict
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Conformance:
    """verdict: NOT_MET where one clause is; MET where all are; else NOT_OBSERVABLE, which is no approval."""

    model: str
    kind: DeviceKind
    tier: Tier
    verdict: Verdict
    clauses: tuple[ClauseFound, ...]


def conform(model: str, kind: DeviceKind, tier: Tier, requirements: Requirements, seen: Evidence) -> Conformance:
    """Raises ValueError where the document asks nothing of this kind: it cannot be said to conform."""
    asked = requirements.of(kind, tier)
    if not asked:
        raise ValueError(f"{requirements.name_en} asks nothing of a {kind.value.replace('_', ' ')}")
    found = tuple(_clause(clause, seen) for clause in asked)
    return Conformance(model, kind, tier, worst([one.verdict for one in found]), found)


def _clause(clause: Clause, seen: Evidence) -> ClauseFound:
    findings = tuple(QUESTIONS[asked](asked, seen) for asked in clause.asks)
    return ClauseFound(clause, worst([one.verdict for one in findings]), findings)


def worst(verdicts: list[Verdict]) -> Verdict:
    for verdict in (Verdict.NOT_MET, Verdict.NOT_OBSERVABLE):
        if verdict in verdicts:
            return verdict
    return Verdict.MET
