"""Pages out of the templates beside this file: text is escaped, and a name that nobody gave is a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(template: str, view: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]]) -> str:
    """The HTML of a template with all that it names."""
    environment = Environment(
        loader=PackageLoader("ganops", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(view)
