"""Whether an attempt that somebody has counted was a death."""

from interlock.runtime.solo import TRY_PAUSE_US, Tries

MESSAGE, OTHER = (1, "m"), (2, "o")


def test_a_message_that_nobody_has_counted_is_tried_at_once():
    assert not Tries().others_may_try(1, MESSAGE, 0, 0)


def test_one_that_somebody_has_counted_may_be_about_to_be_tried():
    tries = Tries()
    assert tries.others_may_try(1, MESSAGE, 1, 0)
    assert tries.others_may_try(1, MESSAGE, 1, TRY_PAUSE_US - 1)
    assert not tries.others_may_try(1, MESSAGE, 1, TRY_PAUSE_US), "a living worker would have tried it"


def test_each_further_count_and_each_other_message_is_waited_for_anew():
    tries = Tries()
    tries.others_may_try(1, MESSAGE, 1, 0)
    assert tries.others_may_try(1, MESSAGE, 2, TRY_PAUSE_US)
    assert tries.others_may_try(1, OTHER, 2, 2 * TRY_PAUSE_US)
    assert tries.others_may_try(2, MESSAGE, 1, 3 * TRY_PAUSE_US), "each slot has its own"
