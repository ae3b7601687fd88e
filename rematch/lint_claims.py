"""Claims and stated facts checked against each other by arithmetic, before anything is trained.

`python -m rematch.lint_claims config/claims/*.yaml` prints what it finds. Standard library and PyYAML only. A finding
is no error of ours: it is a contradiction in a source document, and it belongs in the report with its rows.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rematch.claims import Claim, check_source, nearest, number_of, range_of, read_claims
from rematch.yamlfile import load_mapping

Range = tuple[float, float]


class Finding(NamedTuple):
    """One thing looked at: `contradicts` or `agrees`, with the arithmetic in words."""

    study: str
    check: str
    source: str
    result: str
    finding: str


def lint(text: Mapping[str, Any], study: str, file: str = "") -> list[Finding]:
    """All findings for a study file (or its ledger alone): its `facts`, then its claims among themselves."""
    claims = read_claims(text.get("claims", []), file)
    ranges = {claim.id: (claim.low, claim.high) for claim in claims if not math.isnan(claim.low)}
    findings = []
    for item in read_facts(text.get("facts", []), file):
        values = {key: _resolved(value, ranges) for key, value in item.items()}
        agrees, sentence = CHECKS[item["check"]].run(values)
        if "what" in item and "what" not in CHECKS[item["check"]].needs:
            sentence = f"{item['what']}: {sentence}"
        findings.append(Finding(study, item["check"], item["source"], "agrees" if agrees else "contradicts", sentence))
    return findings + [Finding(study, *found) for found in _claims_among_themselves(claims)]


def read_facts(items: Any, file: str) -> list[Mapping[str, Any]]:
    """The entries of a `facts:` block. Raises `ValueError` with one line: unknown check, missing or unknown key."""
    if not isinstance(items, list):
        raise ValueError(f"{file}: facts: expected a list, found {type(items).__name__}")
    for number, item in enumerate(items, start=1):
        where = f"{file}: facts: {number}"
        name = item.get("check") if isinstance(item, Mapping) else None
        if name not in CHECKS:
            raise ValueError(f"{where}: check {name} is unknown{nearest(str(name), CHECKS)}")
        check_source(item.get("source"), where)
        for key in CHECKS[name].needs:
            if key not in item:
                raise ValueError(f"{where}: {name}: {key} is missing")
        for key in item:
            if key not in ("check", "source", "what", *CHECKS[name].needs, *CHECKS[name].may):
                raise ValueError(f"{where}: {name}: unknown key {key}{nearest(str(key), CHECKS[name].needs)}")
    return items


def _resolved(value: Any, ranges: Mapping[str, Range]) -> Any:
    """A claim id stands for the range that the claim expects."""
    if isinstance(value, str) and value in ranges:
        return [*ranges[value]]
    return value


def _range(value: Any) -> Range:
    return range_of(value, "facts") if isinstance(value, list) else (number_of(value, "facts"),) * 2


def _show(ends: Range) -> str:
    low, high = (f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _pearson(item: Mapping[str, Any]) -> tuple[bool, str]:
    r2, pearson = _range(item["r2"]), _range(item["pearson"])
    needed = math.sqrt(max(r2[1], 0.0))
    text = f"R2 {r2[1]:g} needs Pearson >= {needed:.3f} (R2 <= r^2); stated: at most {pearson[1]:g}"
    return needed <= pearson[1], text


def _variance(item: Mapping[str, Any]) -> tuple[bool, str]:
    known = item["known"]
    variance = known["rmse"] ** 2 / (1 - known["r2"])
    rmse, r2 = _range(item["rmse"]), _range(item["r2"])
    implied = (1 - rmse[1] ** 2 / variance, 1 - rmse[0] ** 2 / variance)
    text = (
        f"target variance {variance:.3f} (RMSE {known['rmse']:g} at R2 {known['r2']:g}): RMSE {_show(rmse)} means "
        f"R2 {_show(implied)}; stated: {_show(r2)}"
    )
    return implied[0] <= r2[1] + 0.005 and r2[0] <= implied[1] + 0.005, text


def _weights(item: Mapping[str, Any]) -> tuple[bool, str]:
    weights = [number_of(value, "facts: weights") for value in item["weights"]]
    total = sum(1 / (len(weights) * weight) for weight in weights)
    text = f"weights total/({len(weights)} x count) must satisfy sum 1/({len(weights)} w) = 1; found {total:.3f}"
    return abs(total - 1) <= 0.02, text


def _sum(item: Mapping[str, Any]) -> tuple[bool, str]:
    found = sum(item["parts"])
    text = f"{' + '.join(f'{part:,}' for part in item['parts'])} = {found:,}; stated: {item['total']:,}"
    return math.isclose(found, item["total"], rel_tol=item.get("tolerance", 0.0), abs_tol=0.0), text


def _product(item: Mapping[str, Any]) -> tuple[bool, str]:
    factors = [_range(factor) for factor in item["factors"]]
    low, high = math.prod(factor[0] for factor in factors), math.prod(factor[1] for factor in factors)
    stated, tolerance = _range(item["stated"]), item.get("tolerance", 0.01)
    unit = f" {item['unit']}" if "unit" in item else ""
    text = (
        f"{' x '.join(_show(factor) for factor in factors)} = {_show((low, high))}{unit}; stated: {_show(stated)}{unit}"
    )
    if item.get("ends", False):
        pairs = ((low, stated[0]), (high, stated[1]))
        return all(math.isclose(found, end, rel_tol=tolerance) for found, end in pairs), text
    return low <= stated[1] * (1 + tolerance) and stated[0] * (1 - tolerance) <= high, text


def _ratio(item: Mapping[str, Any]) -> tuple[bool, str]:
    new, old, stated = _range(item["new"]), _range(item["old"]), _range(item["stated"])
    low, high = new[0] / old[1], new[1] / old[0]
    tolerance = item.get("tolerance", 0.01)
    text = f"{_show(new)} / {_show(old)} = {_show((low, high))}; stated: {_show(stated)}"
    return low <= stated[1] * (1 + tolerance) and stated[0] * (1 - tolerance) <= high, text


def _tree(item: Mapping[str, Any]) -> tuple[bool, str]:
    expected = item["nodes"] - item["roots"]
    orphans = 1 - item["direct_pairs"] / expected
    text = (
        f"a tree of {item['nodes']:,} nodes has {expected:,} parent-child pairs; stated: {item['direct_pairs']:,}, "
        f"so {orphans:.0%} of the nodes would have no parent"
    )
    return item["direct_pairs"] >= expected, text


def _parameters(item: Mapping[str, Any]) -> tuple[bool, str]:
    layers = item["layers"]
    found = sum((before + 1) * after for before, after in pairwise(layers))
    text = f"layers {'-'.join(map(str, layers))} have {found:,} parameters; stated: {item['stated']:,}"
    return math.isclose(found, item["stated"], rel_tol=item.get("tolerance", 0.02)), text


def _thresholds(item: Mapping[str, Any]) -> tuple[bool, str]:
    stated = [_range(one) for one in item["stated"]]
    low, high = max(one[0] for one in stated), min(one[1] for one in stated)
    common = f"common to all: {_show((low, high))}" if low <= high else "no value meets them all"
    text = f"{'; '.join(_show(one) for one in stated)}; {common}"
    return all(one == stated[0] for one in stated), text


def _pooled(item: Mapping[str, Any]) -> tuple[bool, str]:
    total = sum(item["n"])
    squares = zip(item["rmse"], item["n"], strict=True)
    pooled = math.sqrt(sum(rmse**2 * count for rmse, count in squares) / total)
    text = f"the bins pool to RMSE {pooled:.3f}; stated: {item['overall']:g}"
    return math.isclose(pooled, item["overall"], rel_tol=item.get("tolerance", 0.01)), text


def _fires(item: Mapping[str, Any]) -> tuple[bool, str]:
    fires = item["needs"] < item["available"]
    text = f"{item['rule']}: needs {item['needs']:g}, there are {item['available']:g}"
    return fires, text if fires else f"{text}: it can never fire"


def _limit(item: Mapping[str, Any]) -> tuple[bool, str]:
    value, limit = number_of(item["value"], "facts"), number_of(item["limit"], "facts")
    return value <= limit, f"{item['what']}: stated {value:g}, the limit is {limit:g}"


def _gap(item: Mapping[str, Any]) -> tuple[bool, str]:
    """Binary cross-entropy of logits +-gap/2 is softplus(-gap/2)."""
    expected = math.log1p(math.exp(-item["gap"] / 2))
    text = f"a score gap of {item['gap']:g} centred on 0 means a loss of {expected:.3f}; stated: {item['loss']:g}"
    return math.isclose(expected, item["loss"], rel_tol=0.02), text


def _moved(item: Mapping[str, Any]) -> tuple[bool, str]:
    start, end = item["from"], item["to"]
    text = f"gradient norm {item['norm']:g} throughout, while {item['what']} went from {start:g} to {end:g}"
    return not (item["norm"] == 0 and start != end), text


def _conflict(item: Mapping[str, Any]) -> tuple[bool, str]:
    return False, " / ".join(item["statements"])


class Check(NamedTuple):
    """A check with the keys it needs and those it may have."""

    run: Callable[[Mapping[str, Any]], tuple[bool, str]]
    needs: tuple[str, ...]
    may: tuple[str, ...] = ()


CHECKS: dict[str, Check] = {
    "r2-pearson": Check(_pearson, ("r2", "pearson")),
    "r2-rmse": Check(_variance, ("known", "rmse", "r2")),
    "class-weights": Check(_weights, ("weights",)),
    "sum": Check(_sum, ("parts", "total"), ("tolerance",)),
    "product": Check(_product, ("factors", "stated"), ("unit", "ends", "tolerance")),
    "ratio": Check(_ratio, ("new", "old", "stated"), ("tolerance",)),
    "tree-pairs": Check(_tree, ("nodes", "roots", "direct_pairs")),
    "parameters": Check(_parameters, ("layers", "stated"), ("tolerance",)),
    "thresholds": Check(_thresholds, ("stated",)),
    "pooled-rmse": Check(_pooled, ("rmse", "n", "overall"), ("tolerance",)),
    "can-fire": Check(_fires, ("rule", "needs", "available")),
    "limit": Check(_limit, ("what", "value", "limit")),
    "loss-gap": Check(_gap, ("loss", "gap")),
    "norm-movement": Check(_moved, ("norm", "what", "from", "to")),
    "conflict": Check(_conflict, ("statements",)),  # statements that words alone set against each other
}


def _claims_among_themselves(claims: Sequence[Claim]) -> list[tuple[str, str, str, str]]:
    """Claims that fail their own test as wished, and pairs of claims whose tests exclude each other."""
    found = []
    single = [(claim, claim.tests[0]) for claim in claims if len(claim.tests) == 1 and not claim.tests[0].word]
    for claim, test in single:
        if test.relation == "value" and (claim.low < test.low or claim.high > test.high):
            wished, asked = _show((claim.low, claim.high)), _show((test.low, test.high))
            text = f"{claim.id} expects {wished}, its own test asks for {asked}"
            found.append(("own-test", claim.source, "contradicts", text))
    for (one, first), (other, second) in combinations(single, 2):
        sides = [
            (test.metric, test.relation, test.arm, test.against, test.changes, test.device) for test in (first, second)
        ]
        if sides[0] == sides[1] and (first.high < second.low or second.high < first.low):
            asked = f"{_show((first.low, first.high))}; {_show((second.low, second.high))}"
            text = f"{one.id} and {other.id} cannot both hold: {asked}"
            found.append(("claims-exclude", f"{one.source}, {other.source}", "contradicts", text))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints findings for ledger files, one line each; 1 if a file is malformed."""
    parser = argparse.ArgumentParser(prog="python -m rematch.lint_claims", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="ledger or study files; default: config/claims/*.yaml")
    parser.add_argument("--all", action="store_true", help="print what agrees, too")
    options = parser.parse_args(arguments)
    for path in options.files or sorted(Path("config/claims").glob("*.yaml")):
        try:
            findings = lint(load_mapping(path), path.stem, str(path))
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        for finding in findings:
            if options.all or finding.result == "contradicts":
                print(f"{finding.study}  {finding.source}  {finding.check}  {finding.result}: {finding.finding}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
