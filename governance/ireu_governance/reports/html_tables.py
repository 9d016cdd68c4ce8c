"""The tables and lists of a certificate's web page."""

from __future__ import annotations

from collections.abc import Sequence

from ireu_governance.reports.markup import Markup
from ireu_governance.reports.markup import element as e
from ireu_governance.reports.view import CheckRow, Fact, FileRow, HistoryRow, PlanRow, ScoreRow, ScoreTable

__all__ = ["check_table", "encoder_table", "fact_list", "history_table", "plan_table", "score_table"]


def fact_list(facts: Sequence[Fact]) -> Markup:
    """Return names and values."""
    return e(
        "dl",
        [
            (e("dt", fact.label), e("dd", e("bdi", fact.value), class_="code" if fact.kind == "code" else None))
            for fact in facts
        ],
    )


def check_table(rows: Sequence[CheckRow]) -> Markup:
    """Return the checks of a report."""
    return _table(
        "Every check, in the order in which it was made",
        ("Check", "Outcome", "Why"),
        [
            e(
                "tr",
                _head(row.label, e("code", row.name), None if row.required else " optional"),
                e(
                    "td",
                    e("span", row.outcome.sign, class_="sign", aria_hidden="true"),
                    row.outcome.word,
                    class_=f"outcome {row.outcome.tone}",
                ),
                e("td", e("bdi", row.reason), class_="reason"),
            )
            for row in rows
        ],
        kind="narrow",
    )


def history_table(rows: Sequence[HistoryRow]) -> Markup:
    """Return the steps of the requests."""
    return _table(
        "Steps of the request, as the log has them",
        ("Step", "When", "To be answered by", "Details", "Entry"),
        [
            e(
                "tr",
                _head(row.event, e("code", row.case_id)),
                e("td", row.happened),
                e("td", row.due or "–"),
                e("td", row.details or "–"),
                e("td", row.entry, class_="figure"),
            )
            for row in rows
        ],
    )


def plan_table(rows: Sequence[PlanRow]) -> Markup:
    """Return the planned tests."""
    columns = ("Test", "Recogniser", "Threshold", "False match rate", "Permitted rate", "Fewest probes")
    return _table(
        "Each test with its limits",
        columns,
        [
            e(
                "tr",
                _head(row.label, row.source),
                e("td", row.recogniser),
                *(
                    e("td", cell, class_=kind)
                    for cell, kind in (
                        (row.threshold, "figure"),
                        (row.false_match, None),
                        (row.limit, "figure"),
                        (row.probes, "figure"),
                    )
                ),
            )
            for row in rows
        ],
    )


def score_table(table: ScoreTable) -> Markup:
    """Return scores; columns about recognition are left out where no score has them."""
    columns = ["Measurement", "Mean", "Which way", "Probes (n)"]
    if table.matched:
        columns += ["Recognised", "95 % bounds", "Threshold", "False match rate"]
    return _table(table.caption, columns, [_score_row(row, table) for row in table.rows])


def encoder_table(rows: Sequence[FileRow]) -> Markup:
    """Return the files of the encoder with their digests before and after."""
    return _table(
        "Files of the encoder, by SHA-256",
        ("File", "Before", "After", "Change"),
        [
            e(
                "tr",
                _head(e("bdi", row.name)),
                e("td", row.before, class_="code digest"),
                e("td", row.after, class_="code digest"),
                e("td", row.change),
            )
            for row in rows
        ],
    )


def _score_row(row: ScoreRow, table: ScoreTable) -> Markup:
    found = (row.recognised, row.bounds, row.threshold, row.false_match) if table.matched else ()
    return e(
        "tr",
        _head(row.label, f"{row.source}, " if table.decides else None, e("code", row.name)),
        e("td", e("span", row.value, class_="figure"), e("span", row.unit, class_="soft")),
        e("td", row.direction),
        e("td", row.n, class_="figure"),
        *(e("td", cell or "–", class_="figure" if index < 3 else None) for index, cell in enumerate(found)),
    )


def _head(label: Markup | str, *details: Markup | str | None) -> Markup:
    return e("th", label, e("span", *details, class_="soft") if details else None, scope="row")


def _table(caption: str, columns: Sequence[str], rows: Sequence[Markup], *, kind: str = "wide") -> Markup:
    # A table that is wider than a telephone scrolls in its own box, which the keyboard reaches too.
    table = e(
        "table",
        e("caption", caption),
        e("thead", e("tr", [e("th", column, scope="col") for column in columns])),
        e("tbody", rows),
        class_=kind,
    )
    return e("div", table, class_="scroll", role="group", aria_label=caption, tabindex="0")
