"""One target and whether a figure meets it; for the tables of every bench."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Row:
    target: str
    where: str  # workload
    wanted: str
    measured: str = "not measured"
    met: "bool | None" = None

    def as_json(self) -> "dict[str, object]":
        return asdict(self)


def at_least(target: str, where: str, least: float, figure: "float | None", unit: str = "x") -> Row:
    row = Row(target, where, f">= {least:g}{unit}")
    if figure is not None:
        row.measured, row.met = f"{figure:.3g}{unit}", figure >= least
    return row


def at_most(target: str, where: str, most: float, figure: "float | None", unit: str = "x") -> Row:
    row = Row(target, where, f"<= {most:,g}{unit}")
    if figure is not None:
        shown = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"  # noqa: PLR2004 - digits worth reading
        row.measured, row.met = f"{shown}{unit}", figure <= most
    return row


def ratio(of: "float | None", by: "float | None") -> "float | None":
    return None if of is None or not by else of / by


def get(value: Any, *path: str) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def show(rows: "list[Row]", width: int) -> None:
    for row in rows:
        word = {True: "pass", False: "FAIL", None: "-"}[row.met]
        print(f"  {word:4}  {row.target:72} {row.where:{width}} {row.wanted:>10}  {row.measured}")


def show_sum(rows: "list[Row]") -> None:
    met, missed = sum(row.met is True for row in rows), sum(row.met is False for row in rows)
    print(f"  {met} met, {missed} missed, {len(rows) - met - missed} not measured")
