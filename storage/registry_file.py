"""An export of the registry as a file."""

from collections.abc import Sequence
from pathlib import Path

from storage.database import Connection
from storage.registry_export import TABLE_COLUMNS, PeopleOut, as_csv, as_json
from storage.registry_kinds import ZH, FileKind
from storage.registry_workbook import write_workbook


async def write_file(
    connection: Connection, kinds: Sequence[FileKind], path: Path, lang: str = "en", people: PeopleOut | None = None
) -> None:
    """An export by the file's ending, as of one moment of the registry. It takes its place only when it is whole.
    Raises OSError, ValueError (too many rows for a workbook), psycopg.Error; call under `translated()`."""
    part = path.with_name(f".part-{path.name}")
    try:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await write_rows(connection, kinds, part, lang, people)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def write_rows(
    connection: Connection, kinds: Sequence[FileKind], path: Path, lang: str = "en", people: PeopleOut | None = None
) -> int:
    """The same in the caller's transaction, straight into the file; its bytes."""
    if path.suffix == ".xlsx":
        await write_workbook(connection, kinds, path, lang=lang, people=people)
        return _size(path)
    header = [ZH[name] for name in TABLE_COLUMNS] if lang == "zh" else None
    chunks = as_json(connection, kinds, people) if path.suffix == ".json" else as_csv(connection, kinds, header, people)
    written = 0
    with path.open("wb") as out:
        async for chunk in chunks:
            written += out.write(chunk)
    return written


def _size(path: Path) -> int:
    return path.stat().st_size
