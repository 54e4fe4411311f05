"""The router's choice, without a socket."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from homecluster.router import table as tables
from homecluster.router.table import Backend, SeatState, Table, choose, table_of


def backend(name: str, tokens_per_s: float = 100.0, batch: int = 256) -> Backend:
    return Backend(name=name, host="127.0.0.1", port=1, tokens_per_s=tokens_per_s, batch=batch)


def serving(*backends: Backend) -> Table:
    table = table_of(backends)
    for one in backends:
        table = tables.came(table, one.name, 0.0)
    return table


def given_to(table: Table, requests: int) -> Table:
    for _ in range(requests):
        chosen = choose(table)
        assert chosen is not None
        table = tables.began(table, chosen.name, 0.0)
    return table


def test_a_copy_gets_nothing_before_its_first_token() -> None:
    table = table_of([backend("a"), backend("b")])
    assert choose(table) is None
    chosen = choose(tables.came(table, "b", 0.0))
    assert chosen is not None
    assert chosen.name == "b"


def test_requests_one_at_a_time_go_to_the_faster_copy() -> None:
    table = serving(backend("fast", 300.0), backend("slow", 100.0))
    for _ in range(40):
        chosen = choose(table)
        assert chosen is not None
        table = tables.ended(tables.began(table, chosen.name, 0.0), chosen.name)
    # It answers sooner, and nobody waits.
    assert table.seat("fast").served == 40


def test_equal_copies_take_turns_when_requests_come_one_at_a_time() -> None:
    table = serving(backend("a"), backend("b"))
    for _ in range(40):
        chosen = choose(table)
        assert chosen is not None
        table = tables.ended(tables.began(table, chosen.name, 0.0), chosen.name)
    assert [seat.served for seat in table.seats] == [20, 20]


def test_a_full_batch_is_passed_over_for_a_slower_copy_with_room() -> None:
    table = serving(backend("fast", 1000.0, batch=2), backend("slow", 10.0, batch=2))
    table = given_to(table, 4)
    assert [seat.in_flight for seat in table.seats] == [2, 2]


def test_a_copy_that_ended_never_comes_back_and_one_away_does() -> None:
    table = serving(backend("a"), backend("b"))
    table = tables.lost(tables.over(table, "a", "its engine crashed"), "b", "no answer")
    assert choose(table) is None
    table = tables.came(tables.came(table, "a", 1.0), "b", 1.0)
    assert table.seat("a").state is SeatState.ENDED
    assert table.seat("a").reason == "its engine crashed"
    assert table.seat("b").state is SeatState.SERVING


def test_only_who_owes_an_answer_and_sent_nothing_is_silent() -> None:
    table = serving(backend("a"), backend("b"))
    table = tables.began(table, "a", 100.0)
    assert tables.silent(table, 150.0, 60.0) == ()
    assert tables.silent(table, 161.0, 60.0) == ("a",)
    assert tables.silent(tables.progressed(table, "a", 155.0), 161.0, 60.0) == ()
    assert tables.silent(tables.ended(table, "a"), 161.0, 60.0) == ()


SPEEDS = st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=5)


@given(SPEEDS, st.integers(0, 60))
def test_law_shares_follow_speeds(speeds: list[float], requests: int) -> None:
    """No copy is so loaded that another would have been the better place for its last request."""
    table = given_to(serving(*(backend(str(i), speed) for i, speed in enumerate(speeds))), requests)
    assert table.in_flight == requests
    for one in table.seats:
        for other in table.seats:
            mine = one.in_flight / one.backend.tokens_per_s
            theirs = (other.in_flight + 1) / other.backend.tokens_per_s
            assert mine <= theirs * (1 + 1e-9)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "end", "lose", "come", "over", "progress"]), st.integers(0, 2)
    ),
    max_size=40,
)


@given(STEPS)
def test_law_only_serving_copies_are_chosen_and_counts_agree(steps: list[tuple[str, int]]) -> None:
    table = serving(backend("0"), backend("1", 50.0, batch=2), backend("2", 10.0))
    outstanding = [0, 0, 0]
    dead: set[str] = set()
    for step, number in steps:
        name = str(number)
        match step:
            case "ask":
                chosen = choose(table)
                assert (chosen is None) == (not table.serving)
                if chosen is not None:
                    assert chosen.state is SeatState.SERVING
                    table = tables.began(table, chosen.name, 1.0)
                    outstanding[int(chosen.name)] += 1
            case "end" if outstanding[number]:
                table = tables.ended(table, name)
                outstanding[number] -= 1
            case "lose":
                table = tables.lost(table, name, "no answer")
            case "come":
                table = tables.came(table, name, 2.0)
            case "over":
                table = tables.over(table, name, "crashed")
                dead.add(name)
            case _:
                table = tables.progressed(table, name, 3.0)
        assert [seat.in_flight for seat in table.seats] == outstanding
        assert {s.name for s in table.seats if s.state is SeatState.ENDED} == dead


@given(SPEEDS, st.data())
def test_law_who_was_tried_is_not_tried_again(speeds: list[float], data: st.DataObject) -> None:
    backends = [backend(str(i), speed) for i, speed in enumerate(speeds)]
    tried = data.draw(st.sets(st.sampled_from([one.name for one in backends])))
    chosen = choose(serving(*backends), tried)
    if len(tried) == len(backends):
        assert chosen is None
    else:
        assert chosen is not None
        assert chosen.name not in tried


def test_a_speed_that_was_predicted_wrong_is_made_good_by_who_finishes_sooner() -> None:
    table = serving(backend("promised much", 200.0), backend("delivers", 100.0))
    table = given_to(table, 6)
    assert [seat.in_flight for seat in table.seats] == [4, 2]
    table = replace(table, seats=(table.seats[0], replace(table.seats[1], in_flight=0)))
    chosen = choose(table)
    assert chosen is not None
    assert chosen.name == "delivers"
