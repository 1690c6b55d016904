"""The table of what each store was held to is of the tests that there are."""

from tests.conformance.results import PAGE, collected, page


def test_the_page_on_stores_counts_the_tests_that_run() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(collected()), "run `python -m tests.conformance.results`"
