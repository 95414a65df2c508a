"""Small spreadsheets of the true shape, written for the tests."""

import zipfile
from xml.sax.saxutils import escape, quoteattr

import openpyxl

_NS = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)
#: A row of an ods sheet ends in thousands of empty cells, and a sheet in a million empty rows.
_TAIL = '<table:table-cell table:number-columns-repeated="16375"/>'
_END = f'<table:table-row table:number-rows-repeated="1048000">{_TAIL}</table:table-row>'


def ods_cell(value):
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, (int, float)):
        kind = f'office:value-type="float" office:value="{value}"'
        return f"<table:table-cell {kind}><text:p>{value}</text:p></table:table-cell>"
    return f'<table:table-cell office:value-type="string"><text:p>{escape(str(value))}</text:p></table:table-cell>'


def ods_row(row):
    return f"<table:table-row>{''.join(map(ods_cell, row))}{_TAIL}</table:table-row>"


def write_ods(path, sheets):
    """Write sheets given as name -> iterable of rows, or of ready XML for a row."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        with archive.open("content.xml", "w") as out:
            out.write(f"<office:document-content {_NS}><office:body><office:spreadsheet>".encode())
            for name, rows in sheets.items():
                out.write(f"<table:table table:name={quoteattr(name)}>".encode())
                for row in rows:
                    out.write((row if isinstance(row, str) else ods_row(row)).encode())
                out.write(f"{_END}</table:table>".encode())
            out.write(b"</office:spreadsheet></office:body></office:document-content>")
    return path


def write_xlsx(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path
