"""What a remedy gained beside what was said, as docs/diagnose.md shows it."""

from benchmarks.remedies import Row, table


def test_a_remedy_is_shown_with_what_it_gained_and_what_was_said() -> None:
    row = Row(
        trouble="loss", cause="packet-loss", remedy="a cable", before=2.0, after=9.5, said=8.0
    )
    missed = Row(
        trouble="heat", cause="throttled", remedy="a fan", before=2.0, after=3.0, said=None
    )

    assert table([row, missed]).splitlines()[2:] == [
        "| loss | `packet-loss` | a cable | 2 | 9.5 | 7.5 | 8 |",
        "| heat | `throttled` | a fan | 2 | 3 | 1 | not named |",
    ]
