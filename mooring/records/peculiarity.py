"""The part of the compact records of PVs that is the same for most of them, so that these share it.

Not kept here: the records themselves (compact.py).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec


class Peculiarity(msgspec.Struct, frozen=True, gc=False):
    """The peculiarity of one PV's record; most have none.

    `bare` is that of the mark, `beside` that of the record. `sure` False: this process has reason to doubt the record, so it is
    listed, and decides nothing. `secret`: the PV names a Secret for the driver's ControllerPublishVolume and
    ControllerUnpublishVolume. `in_tree`: the PV was seen to have an in-tree source, so the handle may change. `named`: the nodes
    that the PV names, if it is doubted or its record can't be read. `problem`: the reason why the record can't be read.
    """

    bare: bool = False
    sure: bool = True
    secret: bool = False
    in_tree: bool = False
    problem: str = ""
    beside: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


def share(one: Peculiarity) -> Peculiarity:
    """Return an equal one, which all records share that have its flags and nothing else."""
    return one if one.problem or one.beside or one.named else _first_alike(one)


@cache
def _first_alike(one: Peculiarity) -> Peculiarity:
    return one


NONE: Final = share(Peculiarity())
BARE: Final = share(Peculiarity(bare=True))
