"""Make the tables of study-file.md anew from the models that read study files: make page."""

from pathlib import Path

from svmodel.report.study.schema import with_tables

PAGE = Path(__file__).resolve().parent / "study-file.md"

if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
