"""More files as people keep them, beyond the twenty: numbers, months, pivot tables, sums inside tables."""

import datetime as dt

import openpyxl
from messy_files import AREAS, MONTHS, NAMES, SECOND, TOTAL, count
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from spreadsheets import write_xlsx

HEAD = ["Area", "Month", "Robbery"]
ALL, BOTH = {"Robbery": TOTAL}, {"Robbery": TOTAL, "Theft": SECOND}
WELSH = [
    "Ionawr",
    "Chwefror",
    "Mawrth",
    "Ebrill",
    "Mai",
    "Mehefin",
    "Gorffennaf",
    "Awst",
    "Medi",
    "Hydref",
    "Tachwedd",
    "Rhagfyr",
]
SHORT = ["Ion", "Chwe", "Maw", "Ebr", "Mai", "Meh", "Gor", "Awst", "Medi", "Hyd", "Tach", "Rhag"]


def mon(t, names=NAMES):
    return f"{names[MONTHS[t][1] - 1]} {MONTHS[t][0]}"


def long(when=mon, number=str):
    return [[AREAS[a], when(t), number(count(a, t))] for a in range(3) for t in range(15)]


def series(a, *kinds):
    return [sum(count(a, t, k) for k in kinds or (0,)) for t in range(15)]


def sums(*kinds):
    return [sum(column) for column in zip(*(series(a, *kinds) for a in range(3)), strict=True)]


def marked(marks, head=HEAD):
    """The long table with something written behind, or in place of, the numbers of some rows."""
    rows = [head, *long()]
    for i, mark in marks.items():
        rows[i][2] = mark[1:] if mark.startswith("=") else rows[i][2] + mark
    return rows


def text(rows, sign=",", encoding="utf-8"):
    def cell(value):
        return '"' + str(value) + '"' if any(s in str(value) for s in (sign, "\n")) else str(value)

    return ("\n".join(sign.join(map(cell, r)) for r in rows) + "\n").encode(encoding)


def without(*rows):
    return {"Robbery": TOTAL - sum(count((i - 1) // 15, (i - 1) % 15) for i in rows)}


FOOTNOTES = {2: "[1]", 5: "*", 8: " (r)", 11: "\u00b9", 13: " [note 2]", 17: "r", 19: " \u2020", 21: "**", 23: " (1)"}
FOOTNOTES |= {25: " [r]", 27: "(p)", 29: "\u00b2\u00b3", 31: "[a]"}
NOT_KNOWN = {2: "=n/a", 5: "=N/A", 8: "=n.a.", 11: "=not recorded", 13: "=TBC", 17: "=#N/A", 19: "=Redacted"}
TEXTS = {
    "welsh": ([HEAD, *long(lambda t: mon(t, WELSH))], ",", ALL, None),
    "welsh_short": ([HEAD, *long(lambda t: mon(t, SHORT))], ",", ALL, None),
    "welsh_columns": (
        [["Ardal", *(mon(t, SHORT) for t in range(15))], *([AREAS[a], *series(a)] for a in range(3))],
        ",",
        {"count": TOTAL},
        None,
    ),
    "eurostat": ([HEAD, *long(lambda t: "{}M{:02d}".format(*MONTHS[t]))], ",", ALL, None),
    "footnotes": (marked(FOOTNOTES), ",", ALL, None),
    "nil": (marked({2: "=nil", 5: "=Nil", 8: "=-0", 11: "=zero"}), ",", without(2, 5, 8, 11), None),
    "none": (marked({2: "=none", 5: "=None"}), ",", without(2, 5), "dashes: nil"),
    "long_dashes": (marked({2: "=\u2013", 5: "=\u2014"}), ",", without(2, 5), "dashes: missing"),
    "not_known": (marked(NOT_KNOWN), ",", without(*NOT_KNOWN), None),
    "hard_blanks": ([HEAD, *long(number=lambda n: f"{n}\u00a0 ")], ",", ALL, None),
    "thin_blanks": ([HEAD, *long(number=lambda n: f"1\u202f{n:03d}")], ",", {"Robbery": TOTAL + 45_000}, None),
    "separator_hint": ([["sep=;"], HEAD, *long()], ";", ALL, None),
    "lines_in_quotes": ([["Area\nname", "Month", "Robbery\n(all)"], *long()], ",", {"Robbery (all)": TOTAL}, None),
    "decimal_comma": (
        [[*HEAD, "Rate"], *([*r[:2], f"1.{int(r[2]):03d}", f"{int(r[2]) % 9},5"] for r in long())],
        ";",
        {"Robbery": TOTAL + 45_000},
        None,
    ),
    "which_decimal": (
        [HEAD, *long(number=lambda n: f"1.{n:03d}")],
        ";",
        {"Robbery": TOTAL + 45_000},
        "decimal: comma",
    ),
    "row_numbers": ([["", *HEAD], *([i, *r] for i, r in enumerate(long()))], ",", ALL, None),
    "named_row_numbers": ([["No.", *HEAD], *([i, *r] for i, r in enumerate(long(), start=1))], ",", ALL, None),
    "years_with_sums": (
        [
            ["Area", *map(mon, range(9)), "2021 Total", *map(mon, range(9, 14)), "2022 total", "Grand Total"],
            *(
                [AREAS[a], *x[:9], sum(x[:9]), *x[9:14], sum(x[9:14]), sum(x[:14])]
                for a, x in enumerate(map(series, range(3)))
            ),
        ],
        ",",
        {"count": sum(count(a, t) for a in range(3) for t in range(14))},
        None,
    ),
    "sums_below_each": (
        [
            ["Area", "Offence", *map(mon, range(15))],
            *(
                row
                for a in range(3)
                for row in (
                    [AREAS[a], "Robbery", *series(a)],
                    ["", "Theft", *series(a, 1)],
                    [f"{AREAS[a]} Total", "", *series(a, 0, 1)],
                )
            ),
            ["Grand Total", "", *sums(0, 1)],
        ],
        ",",
        BOTH,
        None,
    ),
}


def _nested(path):
    """A pivot table as it comes: outcomes under their areas in one column, each area's row the sum."""
    rows = [["Sum of Count", "Column Labels"], ["Row Labels", *map(mon, range(15)), "Grand Total"]]
    for a in range(3):
        for name, kinds in ((AREAS[a], (0, 1)), ("    Robbery", (0,)), ("    Theft", (1,))):
            rows.append([name, *series(a, *kinds), sum(series(a, *kinds))])
    rows.append(["Grand Total", *sums(0, 1), sum(sums(0, 1))])
    write_xlsx(path, {"Pivot": rows})


def _simple_pivot(path):
    rows = [[], [], ["Sum of Count", "Column Labels"], ["Row Labels", *map(mon, range(15)), "Grand Total"]]
    rows += [[AREAS[a], *series(a), sum(series(a))] for a in range(3)]
    write_xlsx(path, {"Pivot": [*rows, ["Grand Total", *sums(), TOTAL]]})


def _tabular_pivot(path):
    rows = [["Area", "Offence", "Month", "Sum of Count"]]
    for a in range(3):
        for k, kind in enumerate(("Robbery", "Theft")):
            rows += [[None if k or t else AREAS[a], None if t else kind, mon(t), count(a, t, k)] for t in range(15)]
            rows.append([None, f"{kind} Total", None, sum(series(a, k))])
        rows.append([f"{AREAS[a]} Total", None, None, sum(series(a, 0, 1))])
    write_xlsx(path, {"Pivot": [*rows, ["Grand Total", None, None, TOTAL + SECOND]]})


def _crossed(path):
    """Areas over outcomes in two rows of names, months downwards."""
    head = [[None, *(x for a in AREAS for x in (a, None))], ["Month", *["Robbery", "Theft"] * 3]]
    write_xlsx(
        path, {"Data": [*head, *([mon(t), *(count(a, t, k) for a in range(3) for k in (0, 1))] for t in range(15))]}
    )


def _crossed_the_other_way(path):
    head = [[None, "Robbery", None, None, "Theft", None, None], ["Month", *AREAS, *AREAS]]
    write_xlsx(
        path, {"Data": [*head, *([mon(t), *(count(a, t, k) for k in (0, 1) for a in range(3))] for t in range(15))]}
    )


def _blocks(path):
    rows = []
    for k, kind in enumerate(("Robbery", "Theft")):
        rows += [[kind], ["Area", *map(mon, range(15))], *([AREAS[a], *series(a, k)] for a in range(3))]
        rows += [["Total", *sums(k)], []]
    write_xlsx(path, {"Data": rows})


def _dates_from_1904(path):
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(HEAD)
    for a in range(3):
        for t in range(15):
            book.active.append([AREAS[a], dt.date(*MONTHS[t], 1), count(a, t)])
    book.save(path)


def _texts_beside_numbers(path):
    rows = [HEAD]
    for a in range(3):
        for t in range(15):
            when = dt.date(*MONTHS[t], 1) if t % 3 else f"{mon(t)} "
            rows.append([f"{AREAS[a]}\u00a0", when, f" {count(a, t)}\u00a0" if t % 2 else count(a, t)])
    write_xlsx(path, {"Data": rows})


BOOKS = {
    "nested": (_nested, BOTH, "nested: areas over outcomes"),
    "simple_pivot": (_simple_pivot, {"count": TOTAL}, None),
    "tabular_pivot": (_tabular_pivot, BOTH, None),
    "crossed": (_crossed, BOTH, "nested: areas over outcomes"),
    "crossed_the_other_way": (_crossed_the_other_way, BOTH, "nested: outcomes over areas"),
    "blocks": (_blocks, BOTH, None),
    "dates_from_1904": (_dates_from_1904, ALL, None),
    "texts_beside_numbers": (_texts_beside_numbers, ALL, None),
}


def _text_writer(rows, sign):
    return lambda path: path.write_bytes(text(rows, sign))


#: Name -> writer, ending, right totals, the answer that it needs; as FILES of messy_files.
MORE = {
    name: (_text_writer(rows, sign), ".csv", totals, answer) for name, (rows, sign, totals, answer) in TEXTS.items()
}
MORE |= {name: (writer, ".xlsx", totals, answer) for name, (writer, totals, answer) in BOOKS.items()}
