from netprobe.runner.load import still_growing


def test_a_queue_that_fills_is_watched_longer_and_a_full_one_is_not():
    assert still_growing([0.01 * number for number in range(1, 40)])
    assert not still_growing([0.020] * 5 + [0.022] * 40)
    assert not still_growing([0.0002, 0.0003] * 20)


def test_pings_that_were_lost_are_asked_for_again():
    assert still_growing([])
    assert still_growing([0.4] * 6)
