"""Great Expectations as the judge of a manifest."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc

from ganops.config import RowRule, ValidateConfig
from ganops.errors import VendorError
from ganops.ports import RuleResult

_NAME = "ganops"
_LABEL_SHARE = "label_share"


@final
@dataclass(frozen=True)
class _Asked:
    """One rule of ours as expectations of the vendor."""

    rule: str
    expected: str
    observe: Callable[[pa.Table], str]
    expectations: tuple[Any, ...]
    """Empty where the rule has nothing to say of this data; it then passes."""


@final
class GxValidator:
    """Implements `ganops.ports.DataValidator` with Great Expectations 1.x, in memory, telling nobody."""

    def validate(self, manifest: pa.Table, rules: ValidateConfig, docs: Path) -> Sequence[RuleResult]:
        """One result per rule of `rules`, in its order; Data Docs in `docs/index.html`.

        Args:
            manifest: schema `ganops.data.manifest.CHECKED`, one row an image.

        Raises:
            VendorError: Great Expectations is missing or failed itself.
        """
        gx = _great_expectations()
        asked = list(_asked(gx.expectations, rules, manifest))
        try:
            results = _run(gx, _frame(manifest), [each for rule in asked for each in rule.expectations], docs)
        except (gx.exceptions.GreatExpectationsError, ValueError, TypeError, KeyError, OSError) as error:
            raise VendorError(f"Great Expectations failed while validating the images: {error}") from error
        return [_result(rule, rules, results, manifest) for rule in asked]


def _great_expectations() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the package is imported
    try:
        import great_expectations as gx
        import great_expectations.exceptions
        import great_expectations.expectations
    except ImportError as error:
        raise VendorError(
            f"Great Expectations cannot be imported ({error}): run `pip install 'ganops[great-expectations]'`."
        ) from None
    return gx


def _run(gx: Any, frame: Any, expectations: Sequence[Any], docs: Path) -> list[Any]:
    """One checkpoint over the whole frame; the vendor's result of each expectation."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        context.add_data_docs_site(
            _NAME,
            {
                "class_name": "SiteBuilder",
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())},
            },
        )
        for site in context.get_site_names():
            if site != _NAME:
                context.delete_data_docs_site(site)
        asset = context.data_sources.add_pandas(_NAME).add_dataframe_asset("images")
        suite = context.suites.add(gx.ExpectationSuite(name=_NAME, expectations=list(expectations)))
        definition = gx.ValidationDefinition(
            name=_NAME, data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
        )
        checkpoint = gx.Checkpoint(
            name=_NAME,
            validation_definitions=[context.validation_definitions.add(definition)],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=[_NAME])],
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["row"],
                "partial_unexpected_count": 20,
                "include_unexpected_rows": False,
                "return_unexpected_index_query": False,
            },
        )
        outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (validation,) = outcome.run_results.values()
    return list(validation.results)


def _asked(gxe: Any, rules: ValidateConfig, manifest: pa.Table) -> Iterator[_Asked]:
    """The rules of params.yaml, one by one, as the vendor's expectations."""

    def ask(kind: Any, rule: str, **arguments: Any) -> Any:
        declared = getattr(rules, rule)
        if isinstance(declared, RowRule):
            arguments["mostly"] = declared.mostly
        return kind(meta={"rule": rule}, severity=declared.severity, **arguments)

    between, among = gxe.ExpectColumnValuesToBeBetween, gxe.ExpectColumnValuesToBeInSet

    count = rules.image_count.min
    counted = ask(gxe.ExpectTableRowCountToBeBetween, "image_count", min_value=count)
    yield _Asked("image_count", f"at least {count} images", lambda table: f"{table.num_rows} images", (counted,))

    decodes = ask(among, "decodable", column="decodable", value_set=[True])
    yield _Asked("decodable", f"{_share(rules.decodable)} to decode to what was added", _decodable, (decodes,))

    once = ask(gxe.ExpectColumnValuesToBeUnique, "unique", column="sha256")
    yield _Asked("unique", "every image once", _unique, (once,))

    low, high = rules.size.min, rules.size.max
    heights = ask(between, "size", column="height", min_value=low[0], max_value=high[0])
    widths = ask(between, "size", column="width", min_value=low[1], max_value=high[1])
    sizes = f"{_share(rules.size)} between {low[0]}x{low[1]} and {high[0]}x{high[1]} pixels (height x width)"
    yield _Asked("size", sizes, _sizes, (heights, widths))

    modes = ask(among, "mode", column="mode", value_set=list(rules.mode.allowed))
    yield _Asked("mode", f"{_share(rules.mode)} of mode {', '.join(rules.mode.allowed)}", _modes, (modes,))

    least, most = rules.label_balance.min_share, rules.label_balance.max_share
    balance = (
        ask(gxe.ExpectColumnMinToBeBetween, "label_balance", column=_LABEL_SHARE, min_value=least),
        ask(gxe.ExpectColumnMaxToBeBetween, "label_balance", column=_LABEL_SHARE, max_value=most),
    )
    labelled = manifest.column("label").null_count < manifest.num_rows
    shares = f"each label on {least:.1%} to {most:.1%} of the images"
    yield _Asked("label_balance", shares, _labels, balance if labelled else ())

    for rule, band in (("brightness", rules.brightness), ("contrast", rules.contrast)):
        within = ask(between, rule, column=rule, min_value=band.min, max_value=band.max)
        grey = f"{_share(band)} with a {rule} of {band.min:g} to {band.max:g} grey levels"
        yield _Asked(rule, grey, _range_of(rule), (within,))

    varied = ask(among, "not_constant", column="constant", value_set=[False])
    yield _Asked("not_constant", f"{_share(rules.not_constant)} not of one colour only", _constant, (varied,))


def _result(asked: _Asked, rules: ValidateConfig, results: Sequence[Any], manifest: pa.Table) -> RuleResult:
    found = [each for each in results if each.expectation_config.meta.get("rule") == asked.rule]
    for each in found:
        _raise_vendor_exception(asked.rule, each)
    offenders = {int(index["row"]) for each in found for index in each.result.get("unexpected_index_list") or ()}
    return RuleResult(
        rule=asked.rule,
        severity=getattr(rules, asked.rule).severity,
        success=all(bool(each.success) for each in found),
        expected=asked.expected,
        observed=asked.observe(manifest),
        offenders=tuple(sorted(offenders)),
    )


def _raise_vendor_exception(rule: str, result: Any) -> None:
    """A check that crashed is no verdict."""
    info = result.exception_info or {}
    for each in (info, *(value for value in info.values() if isinstance(value, dict))):
        if each.get("raised_exception"):
            raise VendorError(f"Great Expectations failed on rule '{rule}': {each.get('exception_message')}")


def _frame(manifest: pa.Table) -> Any:
    """The manifest for the vendor: row numbers to name offenders by, and each label's share of the labelled images."""
    labels = manifest.column("label")
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(labels.drop_null()).to_pylist()}
    total = max(sum(counts.values()), 1)
    shares = [None if label is None else counts[label] / total for label in labels.to_pylist()]
    table = manifest.append_column("row", pa.array(range(manifest.num_rows), pa.int64()))
    return table.append_column(_LABEL_SHARE, pa.array(shares, pa.float64())).to_pandas()


# ---------------------------------------------------------------- for a person


def _share(rule: RowRule) -> str:
    return "all images" if rule.mostly == 1.0 else f"at least {rule.mostly:.4g} of the images"


def _decodable(table: pa.Table) -> str:
    return f"{pc.sum(table.column('decodable')).as_py() or 0} of {table.num_rows} that do"


def _unique(table: pa.Table) -> str:
    return f"{pc.count_distinct(table.column('sha256')).as_py()} different images in {table.num_rows}"


def _sizes(table: pa.Table) -> str:
    (low_h, high_h), (low_w, high_w) = (_min_max(table, name) for name in ("height", "width"))
    return "no sizes" if low_h is None else f"{low_h}x{low_w} to {high_h}x{high_w}"


def _modes(table: pa.Table) -> str:
    return _counted(table, "mode")


def _labels(table: pa.Table) -> str:
    unlabelled = table.column("label").null_count
    if unlabelled == table.num_rows:
        return "no labels"
    labels = table.column("label").drop_null()
    counts = sorted((entry["counts"], entry["values"]) for entry in pc.value_counts(labels).to_pylist())
    (rare, rarest), (often, commonest) = counts[0], counts[-1]
    text = f"'{rarest}' on {rare / len(labels):.1%}, '{commonest}' on {often / len(labels):.1%}, {len(counts)} labels"
    return f"{text}, {unlabelled} images without" if unlabelled else text


def _range_of(name: str) -> Callable[[pa.Table], str]:
    def observed(table: pa.Table) -> str:
        low, high = _min_max(table, name)
        return f"no {name}" if low is None else f"{low:.1f} to {high:.1f}"

    return observed


def _constant(table: pa.Table) -> str:
    return f"{pc.sum(table.column('constant')).as_py() or 0} of one colour"


def _min_max(table: pa.Table, name: str) -> tuple[Any, Any]:
    extremes = pc.min_max(table.column(name)).as_py()
    return extremes["min"], extremes["max"]


def _counted(table: pa.Table, name: str) -> str:
    counts = pc.value_counts(table.column(name).drop_null()).to_pylist()
    ordered = sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))
    return ", ".join(f"{entry['values']} ({entry['counts']})" for entry in ordered) or f"no {name}"
