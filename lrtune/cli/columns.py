"""Print the columns of a recorded table by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lrtune.tables.wording import listed

if TYPE_CHECKING:
    from lrtune.tables.columns import Column
    from lrtune.tuning.record.schema import TableFacts


def print_table_facts(table: TableFacts) -> None:
    """Print the columns of a table by kind, and what reading it noted, from the record."""
    if table.columns:
        click.echo(f"\nColumns: {'; '.join(by_kind(table.columns))}")
    for note in table.notes:
        click.echo(f"Table:   {note}")


def by_kind(columns: Sequence[Column]) -> list[str]:
    """Return the names of the columns of each kind, those that are left out last.

    >>> from lrtune.tables.columns import Column
    >>> by_kind([Column("id", "identifier", used=False), Column("a", "number")])
    ["1 number ('a')", "1 identifier, left out ('id')"]
    """
    groups: dict[tuple[bool, str], list[str]] = {}
    for column in sorted(columns, key=lambda each: not each.used):
        groups.setdefault((column.used, column.kind), []).append(column.name)
    return [
        f"{len(names)} {kind}{'' if used else ', left out'} ({listed(names)})"
        for (used, kind), names in groups.items()
    ]
