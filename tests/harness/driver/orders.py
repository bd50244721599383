"""The orders for the driver's calls: a file with a JSON list, which tests write and the driver reads at each call.

Contract: a call obeys the first order that fits it and isn't used up. A held call goes on when its order is withdrawn. The journal
records how often an order was obeyed, so neither side writes the other's file, and both outlive a restart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import msgspec

from tests.harness.driver.journal import Call, Entry, Rpc

DROP: Final = "DROP"


class Order(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An order for calls (an empty field fits all; `times` 0: every time) and what happens to them, in the order of the fields.

    A call is delayed, held before it is applied, failed instead; or applied, held with its answer, and its answer lost. `fail` and
    `lose` are names of gRPC codes. The loss `DROP` ends the driver at once, and with it every connection.
    """

    id: str = msgspec.field(default_factory=lambda: uuid4().hex)
    rpc: Rpc | Literal[""] = ""
    volume: str = ""
    node: str = ""
    times: int = 0
    delay_seconds: float = 0.0
    hold: Literal["", "before", "after"] = ""
    fail: str = ""
    lose: str = ""

    def fits(self, call: Call) -> bool:
        """Return whether the call is one that the order is for."""
        wanted = ((self.rpc, call.rpc), (self.volume, call.volume), (self.node, call.node))
        return all(not asked or asked == found for asked, found in wanted)


NOTHING: Final = Order(id="")


class OrderFile:
    """The file, as tests write it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Order]:
        """Return the orders in force, or none if there is no file."""
        return msgspec.json.decode(self._path.read_bytes(), type=list[Order]) if self._path.exists() else []

    def add(self, order: Order) -> None:
        """Put an order in force, behind the others."""
        self._write([*self.read(), order])

    def withdraw(self, order: Order) -> None:
        """Let later calls pass, and held ones go on."""
        self._write([each for each in self.read() if each.id != order.id])

    def _write(self, orders: list[Order]) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(orders))
        draft.replace(self._path)


class OrderBook:
    """The orders as the driver obeys them."""

    def __init__(self, file: OrderFile, entries: Iterable[Entry]) -> None:
        self._file = file
        self._obeyed = Counter(entry.order for entry in entries if entry.event == "order")

    def take(self, call: Call) -> Order:
        """Return the order that the call has to obey, and count that use of it; `NOTHING` if there is none."""
        fitting = (each for each in self._file.read() if each.fits(call) and not self._used_up(each))
        order = next(fitting, NOTHING)
        self._obeyed[order.id] += 1
        return order

    def in_force(self, order: Order) -> bool:
        """Return whether the order hasn't been withdrawn."""
        return any(each.id == order.id for each in self._file.read())

    def _used_up(self, order: Order) -> bool:
        return 0 < order.times <= self._obeyed[order.id]
