"""The table between two marks of a page, which a program makes: written, or checked."""

import sys
from pathlib import Path


def rewrite(page: Path, begin: str, end: str, table: str) -> int:
    """Write the table into the page, or with `--check` return 1 if it is not as it would be written."""
    text = page.read_text()
    before, _, rest = text.partition(begin)
    made = before + begin + table + end + rest.partition(end)[2]
    if "--check" in sys.argv[1:]:
        return int(made != text)
    page.write_text(made)
    return 0
