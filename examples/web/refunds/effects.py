"""What the shop does when it was decided."""

import threading

from automation import Refund
from till import pay_out

one_at_a_time = threading.Lock()


@Refund.performer
def refund(args: Refund, key: str) -> None:
    """Not async: it writes a file, so it runs in a thread and the web server's loop goes on."""
    with one_at_a_time:
        pay_out(str(args.amount), key)
