"""Looks something up for each record: many calls at a time, results in the order of the records.

Each look-up has a limit of time and is tried again when it fails. It prints::

    order 1: 3 × pen, 4.50
    order 2: 1 × lamp, 29.00
    order 3: 2 × pen, 3.00
    order 4: 5 × book, 60.00
    order 5: 1 × lamp, 29.00
"""

import asyncio
from dataclasses import dataclass

import sage

PRICES = {"book": 12.0, "lamp": 29.0, "pen": 1.5}
# Seconds until the price list answers: what was asked first does not come first.
DELAYS = {"book": 0.001, "lamp": 0.01, "pen": 0.004}


@dataclass(frozen=True)
class Order:
    """So many of an article."""

    number: int
    article: str
    pieces: int


class PriceList(sage.MapFunction[Order, str]):
    """Asks for the price of an order's article: a stand-in for a service, which fails the first time."""

    def open(self, context: object) -> None:
        """Connect."""
        self.connected = False

    async def map(self, value: Order) -> str:
        """Return a line of the bill."""
        await asyncio.sleep(DELAYS[value.article])
        if not self.connected:
            self.connected = True
            raise ConnectionError("not connected yet")
        return f"order {value.number}: {value.pieces} × {value.article}, {PRICES[value.article] * value.pieces:.2f}"


ORDERS = [
    Order(1, "pen", 3),
    Order(2, "lamp", 1),
    Order(3, "pen", 2),
    Order(4, "book", 5),
    Order(5, "lamp", 1),
]


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("async enrichment")
    orders = env.from_iterable(ORDERS, name="orders")
    bill = orders.map(PriceList, concurrency=16, timeout=5, on_error=sage.Retry(attempts=3, delay=0.001))
    bill.sink(print)
    return env


if __name__ == "__main__":
    sage.run(build())
