"""Decision records can be found: one number each, a title, a status, and a line in the index."""

from __future__ import annotations

import re
from collections import Counter

from tests.docs.commands import ROOT

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


def test_no_number_is_given_twice() -> None:
    numbers = Counter(record.name[:4] for record in RECORDS)
    assert [number for number, times in numbers.items() if times > 1] == []


def test_every_record_has_its_number_in_the_title_and_a_status() -> None:
    unlike = [
        record.name
        for record in RECORDS
        if re.match(
            rf"# {record.name[:4]}: .+\n\nStatus: accepted, 2\d{{3}}-", record.read_text("utf-8")
        )
        is None
    ]
    assert unlike == []


def test_the_index_names_every_record_once_by_its_title() -> None:
    listed = re.findall(r"^- (.+)$", (FOLDER / "index.md").read_text("utf-8"), re.MULTILINE)
    titles = [record.read_text("utf-8").split("\n", 1)[0][len("# 0000: ") :] for record in RECORDS]
    assert sorted(listed) == [
        f"[{record.name[:4]}]({record.name}): {title}"
        for record, title in zip(RECORDS, titles, strict=True)
    ]
