"""What a remedy gained beside what was said, as docs/diagnose.md shows it, and what a diagnosis says of others."""

from benchmarks.diagnosis import PAGE
from benchmarks.remedies.rows import Row, kept, table
from benchmarks.remedies.world import Said


def test_a_remedy_is_shown_with_what_it_gained_and_what_was_said() -> None:
    row = Row(
        trouble="loss", named="packet-loss", cause="packet-loss", remedy="a cable", before=2.0, after=9.5, said=8.0
    )  # fmt: skip
    missed = Row(
        trouble="heat", named=None, cause="throttled", remedy="a fan", before=2.0, after=3.0, said=None
    )  # fmt: skip

    assert table([row, missed]).splitlines()[2:] == [
        "| loss | `packet-loss` | a cable | 2 | 9.5 | 7.5 | 8 |",
        "| heat | healthy | a fan | 2 | 3 | 1 | `throttled` not named |",
    ]


def test_what_could_be_done_instead_is_read_as_what_it_would_gain() -> None:
    cause = {
        "id": "latency-bound-tensor-parallel",
        "evidence": ["27 messages", "instead: one PC alone: 19.5 tokens/s", "instead: this layout over an Ethernet cable (1gbe): 17.9 tokens/s"],
    }  # fmt: skip
    judged = {"estimate": {"output_tokens_per_s": {"mid": 0.5}}}

    said = Said(document={"causes": [cause], "judged": judged})

    assert said.instead() == {"one PC alone": 19.0, "an Ethernet cable": 17.4}


def test_the_page_shows_every_remedy_that_was_applied() -> None:
    rows = kept()
    assert rows
    assert table(rows) in PAGE.read_text(encoding="utf-8")
