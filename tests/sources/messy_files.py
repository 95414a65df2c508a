"""Twenty files as people keep them, each with what is right: the totals of its counts, and the answer that it needs.

Every one holds the same kind of thing, counts for Ashby, Brook and Clough over the months from April 2021; what differs
is how it is written. The numbers are invented.
"""

import datetime as dt
import gzip

import openpyxl
from spreadsheets import write_ods, write_xlsx

AREAS = ("Ashby", "Brook", "Clough")
MONTHS = [(2021 + (3 + i) // 12, (3 + i) % 12 + 1) for i in range(15)]
NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def count(a, t, kind=0):
    """Counts without a pattern that a sum of others could take by chance."""
    return (7 * a + 3) * 11 + (t * t * (a + 2) + 5 * t + kind * 13 * (a + 1)) % 29 + kind


TOTAL = sum(count(a, t) for a in range(3) for t in range(15))
SECOND = sum(count(a, t, 1) for a in range(3) for t in range(15))


def _mon(t):
    year, month = MONTHS[t]
    return f"{NAMES[month - 1]}-{year % 100:02d}"


def _long(when=_mon, number=str):
    return [[AREAS[a], when(t), number(count(a, t))] for a in range(3) for t in range(15)]


def _text(rows, sign=","):
    return "\n".join(sign.join(f'"{c}"' if sign in str(c) else str(c) for c in r) for r in rows) + "\n"


def _day(t):
    return "01/{1:02d}/{0}".format(*MONTHS[t])


def _wide(rows=range(15)):
    return [[AREAS[a], *(count(a, t) for t in rows)] for a in range(3)]


def semicolons_in_windows_1252(path):
    rows = [["Area", "Month", "Robbery – all"], *_long()]
    path.write_bytes(_text(rows, ";").encode("cp1252"))


def utf_16_with_tabs(path):
    path.write_bytes(_text([["Area", "Month", "Robbery"], *_long()], "\t").encode("utf-16"))


def cr_line_ends(path):
    path.write_bytes(_text([["Area", "Month", "Robbery"], *_long()]).replace("\n", "\r").encode())


def bars_in_gzip(path):
    rows = [["Area", "Month", "Robbery"], *_long(lambda t: "{}-{:02d}".format(*MONTHS[t]))]
    path.write_bytes(gzip.compress(_text(rows, "|").encode("utf-8-sig"), mtime=0))


def title_and_notes(path):
    rows = [
        ["Table 4: robbery by borough"],
        [],
        ["Borough", "Month", "Offences"],
        *_long(),
        [],
        ["Source: police records"],
    ]
    rows.append(["1. Figures may be revised, and are not rounded; see the note on quality."])
    path.write_text(_text(rows))


def thousands_and_pounds(path):
    rows = [["Area", "Month", "Robbery", "Cost"]]
    rows += [[r[0], r[1], f"{1000 + int(r[2]):,}", f"£{1000 + int(r[2]):,}.50"] for r in _long()]
    path.write_text(_text(rows), encoding="utf-8")


def suppressed(path):
    rows = [["Area", "Month", "Robbery"], *_long()]
    for i, mark in ((3, "*"), (9, "[c]"), (20, "<5"), (33, "..")):
        rows[i][2] = mark
    path.write_text(_text(rows))


def dashes(path):
    rows = [["Area", "Month", "Robbery"], *_long()]
    rows[5][2] = rows[17][2] = "-"
    path.write_text(_text(rows))


def months_as_columns_with_totals(path):
    rows = [["Robbery"], ["Borough", *map(_mon, range(15)), "Total"]]
    rows += [[*r, sum(r[1:])] for r in _wide()]
    rows.append(["Total", *(sum(r[j] for r in rows[2:5]) for j in range(1, 17))])
    write_xlsx(path, {"Data": rows})


def year_over_months_merged(path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Robbery, monthly"])
    sheet.append([])
    sheet.append(["Borough", 2021, *[None] * 8, 2022])
    sheet.append([None, *(NAMES[m - 1] for _, m in MONTHS)])
    for row in _wide():
        sheet.append(row)
    sheet.merge_cells("A3:A4")
    sheet.merge_cells("B3:J3")
    sheet.merge_cells("K3:P3")
    book.save(path)


def date_cells(path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Area", "Month", "Robbery"])
    for a in range(3):
        for t in range(15):
            sheet.append([AREAS[a], dt.date(*MONTHS[t], 1), count(a, t)])
    hidden = book.create_sheet("Workings")
    hidden.sheet_state = "hidden"
    hidden.append(["Area", "Month", "Robbery"])
    hidden.append(["Ashby", "2019-01", 999])
    book.save(path)


def date_cells_as_columns(path):
    rows = [["Area", *(dt.date(*m, 1) for m in MONTHS)], *_wide()]
    write_xlsx(path, {"Sheet1": rows})


def a_sheet_a_year(path):
    def sheet(span):
        return [["Area", *(NAMES[MONTHS[t][1] - 1] for t in span)], *_wide(span)]

    write_xlsx(path, {"Read me": [["What this is"]], "2021": sheet(range(9)), "2022": sheet(range(9, 15))})


def a_sheet_an_area(path):
    sheets = {
        AREAS[a]: [["Month", "Robbery", "Theft"], *([_mon(t), count(a, t), count(a, t, 1)] for t in range(15))]
        for a in range(3)
    }
    write_ods(path, sheets)


def areas_as_columns(path):
    rows = [
        ["Month", *AREAS, "Total"],
        *([_mon(t), *(count(a, t) for a in range(3)), sum(count(a, t) for a in range(3))] for t in range(15)),
    ]
    rows.append(["Total", *(sum(r[j] for r in rows[1:]) for j in range(1, 5))])
    path.write_text(_text(rows))


def offences_in_rows(path):
    rows = [["Area", "Offence", "Month", "Count"]]
    rows += [
        [AREAS[a], kind, _mon(t), count(a, t, k)]
        for a in range(3)
        for k, kind in enumerate(("Robbery", "Theft"))
        for t in range(15)
    ]
    path.write_text(_text(rows))


def offences_in_rows_months_in_columns(path):
    rows = [["Area", "Offence", *map(_mon, range(15))]]
    for a in range(3):
        for k, kind in enumerate(("Robbery", "Theft")):
            rows.append([AREAS[a] if not k else None, kind, *(count(a, t, k) for t in range(15))])
    write_ods(path, {"Offences": rows, "Notes": [["Counts as recorded"]]})


def year_and_month_apart(path):
    rows = [["Financial year", "Month", "Area", "Robbery"]]
    for a in range(3):
        for t, (year, month) in enumerate(MONTHS):
            first = year - (month < 4)
            rows.append([f"{first}/{(first + 1) % 100}", NAMES[month - 1], AREAS[a], count(a, t)])
    path.write_text(_text(rows))


def days_that_show_no_order(path):
    rows = [["Area", "Month", "Robbery"]]
    rows += [[AREAS[a], f"0{1 + t % 2}/0{1 + t}/2021", count(a, t)] for a in range(3) for t in range(9)]
    path.write_text(_text(rows, "\t"))


def two_offences_over_months(path):
    head = [
        [None, "Robbery", *[None] * 14, "Theft", *[None] * 14],
        ["Area", *map(_mon, range(15)), *map(_mon, range(15))],
    ]
    body = [[AREAS[a], *(count(a, t) for t in range(15)), *(count(a, t, 1) for t in range(15))] for a in range(3)]
    write_xlsx(path, {"Data": head + body})


def _without(*cells):
    """The total without some rows of the long table, counted from 1."""
    return TOTAL - sum(count((i - 1) // 15, (i - 1) % 15) for i in cells)


_ORDERLESS = sum(count(a, t) for a in range(3) for t in range(9))
#: Name -> writer, ending, right totals, the answer that it needs.
FILES = {
    "semicolons": (semicolons_in_windows_1252, ".csv", {"Robbery – all": TOTAL}, None),
    "utf16": (utf_16_with_tabs, ".txt", {"Robbery": TOTAL}, None),
    "cr": (cr_line_ends, ".csv", {"Robbery": TOTAL}, None),
    "bars": (bars_in_gzip, ".csv.gz", {"Robbery": TOTAL}, None),
    "title": (title_and_notes, ".csv", {"Offences": TOTAL}, None),
    "thousands": (thousands_and_pounds, ".csv", {"Robbery": TOTAL + 45_000}, None),
    "suppressed": (suppressed, ".csv", {"Robbery": _without(3, 9, 20, 33)}, None),
    "dashes": (dashes, ".csv", {"Robbery": _without(5, 17)}, "dashes: missing"),
    "wide": (months_as_columns_with_totals, ".xlsx", {"count": TOTAL}, None),
    "merged": (year_over_months_merged, ".xlsx", {"count": TOTAL}, None),
    "datecells": (date_cells, ".xlsx", {"Robbery": TOTAL}, None),
    "datecolumns": (date_cells_as_columns, ".xlsx", {"count": TOTAL}, None),
    "yearsheets": (a_sheet_a_year, ".xlsx", {"count": TOTAL}, None),
    "areasheets": (a_sheet_an_area, ".ods", {"Robbery": TOTAL, "Theft": SECOND}, None),
    "areacolumns": (areas_as_columns, ".csv", {"count": TOTAL}, "columns_are: areas"),
    "offences": (offences_in_rows, ".csv", {"Robbery": TOTAL, "Theft": SECOND}, None),
    "offencerows": (offences_in_rows_months_in_columns, ".ods", {"Robbery": TOTAL, "Theft": SECOND}, None),
    "yearandmonth": (year_and_month_apart, ".csv", {"Robbery": TOTAL}, None),
    "orderless": (days_that_show_no_order, ".tsv", {"Robbery": _ORDERLESS}, "period_written: day first"),
    "twoheads": (two_offences_over_months, ".xlsx", {"Robbery": TOTAL, "Theft": SECOND}, None),
}


def write(name, folder, files=FILES):
    """Write a file, and return its path, its totals and the answer that it needs."""
    writer, ending, totals, answer = files[name]
    path = folder / f"{name}{ending}"
    writer(path)
    return path, totals, answer
