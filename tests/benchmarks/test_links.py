from typing import Any

from benchmarks.link_facts import table


def pair(stock: float, ours: float, home: str = "hotspot", **changes: Any) -> dict[str, Any]:
    rates = {"stock_tokens_per_s": stock, "ours_tokens_per_s": ours}
    return {
        "layout": "tensor",
        "home": home,
        **rates,
        "ours_tokens_per_step": 1.0,
        "same_tokens": True,
        **changes,
    }


def rows(*pairs: dict[str, Any]) -> list[str]:
    return table({"pairs": list(pairs)}).splitlines()[2:]


def test_the_ratio_is_the_median_of_the_pairs_and_not_of_the_medians() -> None:
    """A busy minute halves both sides of one pair."""
    (row,) = rows(pair(1.0, 3.0), pair(0.5, 1.6), pair(1.0, 3.1))
    assert row == "| tensor | hotspot | 1.00 | 3.00 | 3.10 (3.00 to 3.20) | 3 | 1.00 | yes |"


def test_each_home_has_its_row_and_one_other_token_is_told() -> None:
    told = rows(pair(1.0, 3.0, same_tokens=False), pair(10.0, 15.0, "1gbe"))
    assert [(row.split(" | ")[1], row.split(" | ")[-1]) for row in told] == [
        ("1gbe", "yes |"),
        ("hotspot", "NO |"),
    ]
