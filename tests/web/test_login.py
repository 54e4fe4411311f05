from __future__ import annotations

from homecluster.web.login import LINK_LIFE_S, SESSION_LIFE_S, Doorkeeper


def test_a_link_opens_once() -> None:
    door = Doorkeeper()
    door.offer("link", 0.0)
    assert door.enter("link", "first", 1.0)
    assert not door.enter("link", "second", 2.0)
    assert door.knows("first", 3.0)
    assert not door.knows("second", 3.0)


def test_a_link_grows_old() -> None:
    door = Doorkeeper()
    door.offer("link", 0.0)
    assert not door.enter("link", "late", LINK_LIFE_S + 1)


def test_a_session_ends() -> None:
    door = Doorkeeper()
    door.offer("link", 0.0)
    door.enter("link", "me", 0.0)
    assert not door.knows("me", SESSION_LIFE_S + 1)


def test_guesses_of_others_do_not_lock_the_owner_out() -> None:
    """The secret has 256 bits: slowing guesses down would only help those who want to annoy."""
    door = Doorkeeper()
    door.offer("link", 0.0)
    for _ in range(100):
        assert not door.enter("a guess", "x", 1.0)
    assert door.enter("link", "me", 1.0)


def test_a_cookie_that_is_no_text_is_not_known() -> None:
    assert not Doorkeeper().knows("\udcff\udcfe", 0.0)


def test_nothing_secret_is_kept_in_the_clear() -> None:
    door = Doorkeeper()
    door.offer("link-secret", 0.0)
    door.enter("link-secret", "session-secret", 0.0)
    assert "secret" not in repr(door)


def test_the_oldest_session_makes_room() -> None:
    door = Doorkeeper()
    for number in range(40):
        door.offer(f"link {number}", number * 60.0)
        assert door.enter(f"link {number}", f"session {number}", number * 60.0)
    assert not door.knows("session 0", 40 * 60.0)
    assert door.knows("session 39", 40 * 60.0)
