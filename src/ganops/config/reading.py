"""Plain data into a `Config`, or one paragraph that says what is wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ganops.config.candidate import CandidateConfig
from ganops.config.section import Section
from ganops.config.training import TrainConfig
from ganops.config.whole import Config
from ganops.config.wording import as_text, as_yaml, nearest, shortened
from ganops.errors import ConfigError


def parse(mapping: Mapping[str, Any], where: str = "params.yaml") -> Config:
    """A checked `Config` from plain data.

    Raises:
        ConfigError: one paragraph that names every wrong field, its value and what is allowed.
    """
    try:
        return Config.model_validate(_with_tuples(mapping))
    except ValidationError as error:
        found = error.errors(include_url=False)
        complaints = [_complaint(detail) for detail in found[:_COMPLAINTS]]
        if more := len(found) - len(complaints):
            complaints.append(f"and {more} more mistakes")
        raise ConfigError(f"{where} cannot be used: {'; '.join(complaints)}.") from None


_COMPLAINTS = 5
_OTHER_WORDS = dict.fromkeys(("learning_rate", "lr"), ("generator_lr", "discriminator_lr"))
"""What the keys of a candidate are called elsewhere."""
_PLAIN_WORDS = {
    "bool_type": "must be true or false, written so and without quotes",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
}
"""In place of pydantic's own."""


def _with_tuples(value: Any) -> Any:
    """YAML has lists only; where types are strict, a list is no tuple."""
    if isinstance(value, Mapping):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value


def _complaint(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    is_key = detail["loc"][-1:] == ("[key]",)
    loc = detail["loc"][:-1] if is_key else detail["loc"]
    path = _dotted(loc)
    if kind == "extra_forbidden":
        known = list(_known_keys(loc[:-1]))
        return f"unknown key '{path}'{_key_meant(loc, known)} (known here: {', '.join(known)})"
    if kind == "missing":
        return f"'{path}' is missing"
    if kind == "invalid_key" or (is_key and kind == "string_type"):
        where = f" in '{_dotted(loc[:-1])}'" if loc[:-1] else ""
        return f"the key {as_yaml(value)}{where} is no name: keys are words"
    if kind in ("int_type", "float_type") and (number := _number_meant(value, whole=kind == "int_type")):
        return f"'{path}' is {'the text ' * isinstance(value, str)}{as_yaml(value)}: write {number}"
    if kind in ("dict_type", "model_type"):
        return f"'{path}' is {as_yaml(value)}, but must be a section{_keys_meant(loc)}"
    if loc == ("candidates",) and kind == "too_short":
        return f"'{path}' is empty, but must be a section{_keys_meant(loc)}"
    if kind == "tuple_type":
        return f"'{path}' is {as_yaml(value)}, but must be a list, in square brackets{_list_meant(loc, value)}"
    if kind in ("too_long", "too_short"):
        return f"'{path}' is {as_yaml(value)}, but must have {_length(detail['ctx'])}"
    if kind in _PLAIN_WORDS:
        return f"'{path}' is {as_yaml(value)}, but {_PLAIN_WORDS[kind]}"
    message = detail["msg"].removeprefix("Value error, ")
    message = (message[0].lower() + message[1:]).replace("string should have", "must have")
    if kind in ("value_error", "preset") and isinstance(value, Mapping):  # of a whole section
        return f"'{path}': {message}"
    if kind == "literal_error":
        message = message.replace("True or False", "true or false")
        near = nearest(as_text(value), re.findall(r"'([^']+)'", detail["ctx"]["expected"]))
        message += f" ({near.removeprefix(', ')})" if near else ""
    return f"'{path}' is {as_yaml(value)}, but {message}"


def _key_meant(loc: tuple[int | str, ...], known: Sequence[str]) -> str:
    """The nearest key of the section that `loc` lies in, or the section that its key belongs to."""
    key, section = as_text(loc[-1]), _section_at(loc[:-1])
    if section is CandidateConfig and key in _OTHER_WORDS:
        return f", did you mean {' and '.join(map(repr, _OTHER_WORDS[key]))}?"
    if section is CandidateConfig and key in TrainConfig.model_fields:
        return ", which belongs to the section 'train'"
    if section is TrainConfig and key in CandidateConfig.model_fields:
        return ", which belongs to a candidate"
    return nearest(key, known)


def _list_meant(loc: tuple[int | str, ...], value: object) -> str:
    """How the list may look: the one that holds where none is written, or of the words that were written."""
    field = _section_at(loc[:-1]).model_fields.get(str(loc[-1]))
    if field is not None and isinstance(field.default, tuple) and field.default:
        return f", such as {as_yaml(field.default).replace(chr(39), '')}"
    if isinstance(value, str):
        return f": write [{', '.join(shortened(value).replace(',', ' ').split())}]"
    return f": write [{as_yaml(value)}, {as_yaml(value)}]" if type(value) is int and field is not None else ""


def _length(limits: Mapping[str, Any]) -> str:
    """Of a list, as pydantic's `too_long` and `too_short` tell it."""
    bound, count = ("at most", limits["max_length"]) if "max_length" in limits else ("at least", limits["min_length"])
    return f"{bound} {count} value{'s' * (count != 1)}, not {limits['actual_length']}"


def _keys_meant(loc: tuple[int | str, ...]) -> str:
    if loc == ("candidates",):
        return " that holds one section for each candidate"
    section = _section_at(loc)
    required = [name for name, field in section.model_fields.items() if field.is_required()]
    first = required or list(section.model_fields)[:1]
    return f" with {' and '.join(f'`{name}: …`' for name in first)}"


def _number_meant(value: object, whole: bool) -> str | None:
    """How to write a number that was written as text, or with a point where a whole one is asked."""
    try:
        number = float(value) if isinstance(value, str | float) else math.nan
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return None
    if whole:
        return str(int(number))
    text = str(value).strip().lower()
    point = text if "." in text else text.replace("e", ".0e")  # YAML 1.1 reads 1e-3 as text
    return f"{point}, without quotes"


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(shortened(as_text(part)) for part in loc)


def _known_keys(loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that the section at `loc` allows."""
    yield from _section_at(loc).model_fields


def _section_at(loc: tuple[int | str, ...]) -> type[Section]:
    section: type[Section] = Config
    for part in loc:
        if section is Config and part == "candidates":
            section = CandidateConfig
        elif part in section.model_fields:
            annotation = section.model_fields[str(part)].annotation
            if isinstance(annotation, type) and issubclass(annotation, Section):
                section = annotation
    return section
