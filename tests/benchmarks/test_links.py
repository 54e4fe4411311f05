from benchmarks.links import Pair, table


def pair(engine: float, exchange: float, home: str = "hotspot") -> Pair:
    return Pair(
        home=home,
        engine_tokens_per_s=engine,
        exchange_tokens_per_s=exchange,
        same_tokens=True,
    )


def test_the_ratio_is_the_median_of_the_pairs_and_not_of_the_medians() -> None:
    """A busy minute halves both sides of one pair."""
    rows = table([pair(1.0, 3.0), pair(0.5, 1.6), pair(1.0, 3.1)]).splitlines()
    assert rows[2] == "| hotspot | 1.00 | 3.00 | 3.10 (3.00 to 3.20) | 3 |"


def test_each_home_has_its_row() -> None:
    rows = table([pair(1.0, 3.0), pair(10.0, 15.0, "1gbe")]).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| hotspot", "| 1gbe"]
