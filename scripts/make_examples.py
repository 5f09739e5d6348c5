"""Makes the binary files of `examples/documents` from the text in `examples/sources`.

    python -m scripts.make_examples

The output is the same on every machine, so a difference in git means that a
source or a writer has changed.
"""

from __future__ import annotations

from pathlib import Path

from scripts.office_writers import Block, write_docx, write_pdf, write_xlsx

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def main() -> None:
    """Write all files."""
    for name, content in made_documents().items():
        target = EXAMPLES / "documents" / name
        target.write_bytes(content)
        print(f"{target.relative_to(EXAMPLES.parent)}: {len(content):,} bytes")


def made_documents() -> dict[str, bytes]:
    """The binary example documents by file name."""
    return {
        "repair-handbook.pdf": write_pdf(
            parse_blocks(_source("repair-handbook.md")),
            title="Repair handbook",
            author="Tomasz Wilk, Ines Okafor",
            created="20240115120000Z",
            running="Spoke & Chain: Repair handbook, fourth edition",
        ),
        "board-minutes-2024-03-14.docx": write_docx(
            parse_blocks(_source("board-minutes-2024-03-14.md")),
            title="Minutes of the board meeting of 14 March 2024",
            author="Jonas Weil",
            created="2024-03-16T09:30:00Z",
        ),
        "cargo-bicycle-agreement.docx": write_docx(
            parse_blocks(_source("cargo-bicycle-agreement.md")),
            title="Loan agreement for the cargo bicycles",
            author="Ines Okafor",
            created="2023-05-02T18:00:00Z",
        ),
        "prices-and-stock.xlsx": write_xlsx(
            parse_sheets(_source("prices-and-stock.txt")),
            title="Prices and stock",
            author="Priya Raman",
            created="2024-04-01T08:00:00Z",
        ),
    }


def parse_blocks(text: str) -> list[Block]:
    """Blocks from a small part of Markdown: headings, paragraphs, items, tables, and --- for a new page."""
    blocks: list[Block] = []
    for piece in text.split("\n\n"):
        lines = piece.strip().split("\n")
        marks, _, words = lines[0].partition(" ")
        if lines[0] == "---":
            blocks.append(("page", ""))
        elif marks and set(marks) == {"#"}:
            blocks.append((f"h{len(marks)}", words))
        elif lines[0].startswith("|"):
            blocks.append(
                ("table", [_cells(line.strip("|")) for line in lines if not line.startswith("| ---")])
            )
        elif lines[0].startswith("- "):
            blocks += [("li", line[2:]) for line in lines]
        elif piece.strip():
            blocks.append(("p", " ".join(lines)))
    return blocks


def parse_sheets(text: str) -> dict[str, list[list[str | float]]]:
    """Sheets from lines: "== name" starts a sheet, cells stand between |, numbers become numbers."""
    sheets: dict[str, list[list[str | float]]] = {}
    for line in text.strip().split("\n"):
        if line.startswith("== "):
            rows = sheets.setdefault(line[3:], [])
        else:
            rows.append([_number_or_text(cell) for cell in _cells(line)])
    return sheets


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _number_or_text(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


def _source(name: str) -> str:
    return (EXAMPLES / "sources" / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
