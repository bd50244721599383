"""The names of the annotations that bear a record.

Not kept here: what each of them says (annotations.py).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one driver's annotations."""

    node: str
    at: str
    epoch: str
    operation: str
    attachments: str
    also_on: str

    @classmethod
    def of(cls, driver: str) -> Keys:
        """Return the keys under the prefix `driver`."""
        return cls(
            node=f"{driver}/attached-node",
            at=f"{driver}/attached-at",
            epoch=f"{driver}/attachment-epoch",
            operation=f"{driver}/attachment-operation",
            attachments=f"{driver}/attachments",
            also_on=f"{driver}/attachment-also-on",
        )


NAMES: Final[tuple[str, ...]] = tuple(key.removeprefix("/") for key in astuple(Keys.of("")))
"""The names without a driver's prefix: all annotations that this version writes."""
