"""How often the first cause is right, as the table in docs/diagnose.md counts it."""

from benchmarks.diagnosis import Row, only_in_figures, table

ROWS = [
    Row(where="cable", trouble="loss", expected="packet-loss", named="packet-loss"),
    Row(where="wifi", trouble="loss", expected="packet-loss", named=None),
    Row(where="cable", trouble="none", expected=None, named="packet-loss"),
]


def test_misses_and_false_alarms_are_counted_and_shown_where_they_were() -> None:
    lines = table(ROWS, "Here").splitlines()

    assert lines[0].startswith("Here: 1 of 2 were named first by the right cause; 1 of 1 looks")
    assert lines[-2:] == [
        "| loss | packet-loss | right: cable; healthy: wifi |",
        "| none | healthy | packet-loss: cable |",
    ]


def test_causes_of_figures_alone_are_named() -> None:
    heat = Row(where="cable", trouble="heat", expected="throttled", named="throttled")

    assert only_in_figures(ROWS, [*ROWS, heat]).endswith(": `throttled`.")
