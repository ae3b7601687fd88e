"""The data card keeps counts and findings, and errors block."""

import json

import numpy as np

from rematch.card import Card, blocking


def test_findings_keep_at_most_ten_examples_and_plain_counts():
    card = Card("data")
    card.add("warning", "unmatched", "Left out.", np.int64(40), range(40), "S4-1")
    finding = card.findings[0]
    assert finding.count == 40 and type(finding.count) is int
    assert finding.examples == tuple(str(i) for i in range(10)) and finding.source == "S4-1"


def test_only_errors_block():
    card = Card("data", {"rows": 3})
    card.add("note", "n", "a note")
    card.add("warning", "w", "a warning")
    assert blocking(json.loads(json.dumps(card.as_dict()))) == []
    card.add("error", "duplicate-key", "A key stands twice.")
    assert blocking(json.loads(json.dumps(card.as_dict()))) == ["duplicate-key: A key stands twice."]


def test_cards_do_not_share_their_facts():
    one, two = Card("a"), Card("b")
    one.facts["x"] = 1
    one.add("note", "n", "t")
    assert two.facts == {} and two.findings == []
