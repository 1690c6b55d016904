"""The shop of examples/web as its operator runs it: a real server on loopback, real requests, and kill -9."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SHOP = Path(__file__).resolve().parents[2] / "examples" / "web" / "shop.py"
INTERLOCK = [sys.executable, "-m", "interlock.cli"]


class Server:
    """The running shop. Requests are made as a browser behind the proxy makes them."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(
        self, method: str, path: str, body: Any = None, *, user: str = "eve", once: str = "", expect: int | None = None
    ) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            headers = {"Content-Type": "application/json"}
            headers |= {"X-User": user} if user else {}
            headers |= {"Idempotency-Key": once} if once else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read().decode()
        finally:
            connection.close()
        assert expect is None or answer.status == expect, said
        return json.loads(said)

    def refund(self, number: int) -> None:
        body = {"ticket": f"t{number}", "paid": "60.00", "amount": f"{number + 1}.50"}
        self.ask("POST", "/refunds", body, once=f"r{number}", expect=202)

    def refunded(self, ticket: str, within_s: float = 120) -> dict[str, Any]:
        end = time.monotonic() + within_s
        while (state := self.ask("GET", f"/refunds/{ticket}"))["status"] != "refunded":
            assert time.monotonic() < end, state
            time.sleep(0.02)
        return state

    def comment(self, name: str, within_s: float = 120) -> dict[str, Any]:
        """Its state. The page waits some seconds for a decision, which a loaded machine may take longer for."""
        end = time.monotonic() + within_s
        while "status" not in (state := self.ask("GET", f"/comments/{name}")):
            assert time.monotonic() < end, state
        return state


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(SHOP), "--port", str(port), "--db", str(folder / "shop.db")],
        cwd=folder,
        env={**os.environ, "SHOP_BOOKS": str(folder / "books.txt"), "PYTHONDONTWRITEBYTECODE": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 120
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.05)
        yield Server(process, port)
    finally:
        process.kill()
        process.communicate()


def test_a_day_in_the_shop(tmp_path: Path) -> None:
    with serving(tmp_path) as shop:
        shop.refund(1)
        assert shop.refunded("t1")["refunded"] == "2.50"

        shop.ask("POST", "/refunds", {"ticket": "t2", "paid": "60.00", "amount": "60.01"}, once="r2", expect=202)
        shop.ask("POST", "/refunds", {"ticket": "t3", "paid": "99.00", "amount": "60.00"}, once="r3", expect=202)
        review = {}
        end = time.monotonic() + 120
        while not review:
            assert time.monotonic() < end, "no review came up"
            review = next(iter(shop.ask("GET", "/reviews", expect=200)), {})
        assert (review["action"], review["arguments"], review["groups"]) == ("refund", {"amount": "60.00"}, ["support"])
        approval = {"review": review["review"], "group": "support"}
        shop.ask("POST", "/reviews/approve", approval, user="ann", expect=202)
        assert shop.refunded("t3")["refunded"] == "60.00"
        denied = shop.ask("GET", "/refunds/t2", expect=200)
        assert denied["status"] == "open"
        assert "denied" in denied["why"]

        shop.ask("POST", "/comments", {"comment": "c1", "text": "Lovely cups."}, once="w1", expect=202)
        shop.ask("POST", "/comments", {"comment": "c2", "text": "A SCAM!"}, once="w2", expect=202)
        assert shop.comment("c1") == {"status": "shown", "text": "Lovely cups."}
        assert shop.comment("c2") == {"status": "hidden", "text": ""}

        other = {"ticket": "t1", "paid": "60.00", "amount": "3.00"}
        assert shop.ask("POST", "/refunds", other, once="r1", expect=409)["code"] == "conflict"
        assert shop.ask("GET", "/refunds/t9", expect=404)["code"] == "not_found"
        assert shop.ask("POST", "/reviews/approve", approval, user="ann", expect=404)["code"] == "not_found"
        shop.ask("POST", "/refunds", {**other, "amount": "-1"}, once="r4", expect=422)
        shop.ask("POST", "/refunds", {**other, "paid_twice": True}, once="r5", expect=422)
        shop.ask("POST", "/refunds", other, user="", once="r6", expect=422)

        shop.process.send_signal(signal.SIGTERM)
        assert shop.process.wait(120) in (0, -signal.SIGTERM), "it drains and ends"
    assert len((tmp_path / "books.txt").read_text().splitlines()) == 2


def test_kill_9_between_requests_pays_everybody_once(tmp_path: Path) -> None:
    asked = range(40)
    with serving(tmp_path) as shop, ThreadPoolExecutor(4) as browsers:

        def refund(number: int) -> None:
            shop.refund(number)
            if number == 12:  # killed by the browser that was answered: nobody else has to wake up for it
                shop.process.send_signal(signal.SIGKILL)

        sent = [browsers.submit(refund, number) for number in asked]
        sent[12].result()
        shop.process.wait()
        lost = sum(one.exception() is not None for one in sent)
    assert 0 < lost < len(asked), "some were answered and some were not"
    with serving(tmp_path) as shop:
        for number in asked:  # a browser that got no answer sends it again, and so do some that got one
            shop.refund(number)
        for number in asked:
            shop.refunded(f"t{number}")
    paid = [line.split() for line in (tmp_path / "books.txt").read_text().splitlines()]
    assert sorted(float(amount) for _, amount in paid) == [number + 1.5 for number in asked]
    verified = subprocess.run(
        [*INTERLOCK, "verify", "--db", str(tmp_path / "shop.db"), "--json"], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["decisions"] >= len(asked)
