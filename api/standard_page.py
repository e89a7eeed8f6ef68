"""docs/access-standard.md and its Chinese page, access-standard.zh.md. `python -m api.standard_page en` (or `zh`)
writes one anew; a test holds the files to it."""

import sys
from collections.abc import Iterable, Sequence

from api.dictionary import Dictionary, Lang, dictionary
from api.standard_words import ABOUT, CONNECTING, DOCUMENTS, HEADINGS, TITLE

_LANGUAGES: tuple[Lang, ...] = ("zh", "en")


def standard_page(lang: Lang) -> str:
    """The page as Markdown. The same code gives the same text."""
    at = _LANGUAGES.index(lang)
    heading = {name: words[at] for name, words in HEADINGS.items()}
    return (
        "\n\n".join(
            (
                f"# {TITLE[at]}",
                ABOUT[at],
                f"## {heading['documents']}",
                _table(
                    (f"`GET /v1/public/standard/{path}`" for path, _, _ in DOCUMENTS),
                    (words[at] for _, _, words in DOCUMENTS),
                    head=("", heading["meaning"]),
                ),
                f"## {heading['connecting']}",
                "\n".join(f"{n}. {words[at]}" for n, words in enumerate(CONNECTING, 1)),
                *_terms(dictionary(lang), heading),
            )
        )
        + "\n"
    )


def _terms(said: Dictionary, heading: dict[str, str]) -> Iterable[str]:
    yes_no = {True: heading["yes"], False: heading["no"], None: ""}
    yield f"## {heading['quantities']}"
    yield _table(
        (f"`{term.name}`" for term in said.quantities),
        (f"`{term.unit}`" for term in said.quantities),
        (f"{term.lowest:.10g}" for term in said.quantities),
        (f"{term.highest:.10g}" for term in said.quantities),
        (term.meaning for term in said.quantities),
        head=tuple(heading[name] for name in ("name", "unit", "lowest", "highest", "meaning")),
    )
    yield f"## {heading['fields']}"
    yield _table(
        (f"`{term.name}`" for term in said.fields),
        (yes_no[term.sent] for term in said.fields),
        (term.meaning for term in said.fields),
        head=(heading["name"], heading["sent"], heading["meaning"]),
    )
    for vocabulary in said.vocabularies:
        yield f"## `{vocabulary.name}`"
        yield f"{vocabulary.meaning}。" if said.lang == "zh" else f"{vocabulary.meaning}."
        columns = [[f"`{term.word}`" for term in vocabulary.words], [term.meaning for term in vocabulary.words]]
        head = [heading["word"], heading["meaning"]]
        if any(term.sent is not None for term in vocabulary.words):
            columns.insert(1, [yes_no[term.sent] for term in vocabulary.words])
            head.insert(1, heading["sent"])
        yield _table(*columns, head=head)


def _table(*columns: Iterable[str], head: Sequence[str]) -> str:
    rows = [head, ["---"] * len(head), *zip(*columns, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.stdout.buffer.write(standard_page("zh" if sys.argv[1:] == ["zh"] else "en").encode())
