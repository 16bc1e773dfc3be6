"""What `ganops doctor` found: one value per finding, for the terminal and for `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

Severity = Literal["fault", "drift", "warning"]
"""fault: a person has to act; drift: the registry is not as the journal says, and `--repair` makes it so; warning: it
works, and might not be safe."""


@final
@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. what: what, where, and who wins or what to do."""

    severity: Severity
    about: str
    what: str
    repaired: bool = False

    @property
    def open(self) -> bool:
        """Whether it still keeps the registry from being right."""
        return self.severity != "warning" and not self.repaired

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> Mapping[str, Any]:
        """For a table."""
        return {"": "repaired" if self.repaired else self.severity, "about": self.about, "what": self.what}
