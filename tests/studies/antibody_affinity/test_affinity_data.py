"""Feature merge, cleaning, splits as laws, and fitting on training rows only."""

import numpy as np
import pandas as pd
import pytest
from affinity_samples import DATASET, arm, codes, generated, prepared, read, write_plain
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.card import Card
from rematch.studies.antibody_affinity.bins import EDGES, NAMES, bin_index, inverse_frequency_weights
from rematch.studies.antibody_affinity.data import SHARES, clean, merge, prepare, split_grouped, split_random


def plain(tmp_path, rows, **options):
    table, card = read(write_plain(tmp_path, rows, **options))
    return table, card


def test_the_merge_joins_features_by_key_in_row_order(tmp_path):
    table, card = plain(tmp_path, ["B,z,1,nM", "A,x,1,nM"])
    rows, features = merge(table, card)
    assert list(rows["sample"]) == ["B|z", "A|x"]
    assert features.tolist() == [[1, 2, 2, 4], [0, 0, 0, 0]] and features.dtype == np.float32


def test_unmatched_keys_are_counted_and_their_rows_left_out(tmp_path):
    table, card = plain(tmp_path, ["A,x,1,nM", "C,x,1,nM", "A,q,1,nM", "A,r,1,nM"])
    rows, features = merge(table, card)
    assert list(rows["sample"]) == ["A|x"] and len(features) == 1
    assert codes(card, "warning") == {"unmatched-antibody": 1, "unmatched-antigen": 2}
    assert codes(card, "note") == {"unused-antibody": 1, "unused-antigen": 2}
    assert next(f for f in card.findings if f.code == "unmatched-antigen").examples == ("q", "r")


def test_no_match_at_all_is_one_line(tmp_path):
    table, card = plain(tmp_path, ["C,x,1,nM"])
    with pytest.raises(ValueError, match="no affinity row has both antibody and antigen features; do the keys match"):
        merge(table, card)


def test_a_repeated_feature_row_is_a_warning_and_a_contradicting_one_blocks(tmp_path):
    table, card = plain(tmp_path, ["A,x,1,nM"])
    table.antibodies = pd.concat([table.antibodies, table.antibodies.iloc[:1]], ignore_index=True)
    merge(table, card)
    assert codes(card, "warning") == {"repeated-antibody-row": 1} and codes(card, "error") == {}
    table.antibodies.loc[2, "antibody_f0"] = 99.0
    card = Card("t")
    _, features = merge(table, card)
    assert codes(card, "error") == {"duplicate-antibody-key": 1} and features[0, 0] == 0


def cleaned(frame, settings=None, **columns):
    frame = pd.DataFrame({"sample": frame, "censored": False, "source": "s", "pkd": 7.0} | columns)
    filler = pd.DataFrame({"sample": [f"f{i}" for i in range(12)], "pkd": 8.0, "censored": False, "source": "s"})
    card = Card("t")
    rows = pd.concat([frame, filler], ignore_index=True)
    kept, features = clean(rows, np.arange(len(rows))[:, None], settings or arm(), card)
    assert len(kept) == len(features)
    return kept[~kept["sample"].str.startswith("f")], card


def test_exact_duplicates_are_kept_once_and_contradictions_block():
    kept, card = cleaned(["a", "a", "b"])
    assert list(kept["sample"]) == ["a", "b"] and codes(card, "warning") == {"duplicate-row": 1}
    _, card = cleaned(["a", "a", "b"], pkd=[7.0, 8.0, 7.0])
    assert codes(card, "error") == {"duplicate-key": 2}


def test_a_measured_row_survives_its_censored_twin():
    kept, card = cleaned(["a", "a"], censored=[True, False])
    assert list(kept["sample"]) == ["a"] and codes(card, "error") == {}
    _, card = cleaned(["a", "a"], censored=[True, False], pkd=[6.0, 7.0])
    assert codes(card, "error") == {}


def test_censored_rows_are_dropped_or_kept_at_the_limit():
    kept, card = cleaned(["a", "b"], censored=[True, False])
    assert list(kept["sample"]) == ["b"] and codes(card, "warning") == {"censored": 1}
    kept, card = cleaned(["a", "b"], arm(censored="limit"), censored=[True, False])
    assert list(kept["sample"]) == ["a", "b"] and codes(card, "warning") == {"censored": 1}


def test_affinities_outside_the_bins_are_dropped_and_counted():
    kept, card = cleaned(["a", "b", "c"], pkd=[-0.1, 16.0, 16.1])
    assert list(kept["sample"]) == ["b"] and codes(card, "warning") == {"out-of-range": 2}


def test_too_few_rows_are_one_line():
    rows = pd.DataFrame({"sample": list("abc"), "pkd": 7.0, "censored": False, "source": "s"})
    with pytest.raises(ValueError, match="t: 3 rows left after cleaning, expected at least 10"):
        clean(rows, np.zeros((3, 1)), arm(), Card("t"))


@given(sizes=st.lists(st.integers(1, 60), min_size=3, max_size=40), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_grouped_splits_share_no_group_and_leave_no_part_empty(sizes, seed):
    rows = pd.DataFrame({"group": [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]})
    rows["part"] = split_grouped(rows, seed)
    assert set(rows["part"]) == set(SHARES)
    assert rows.groupby("group")["part"].nunique().max() == 1


@given(seed=st.integers(0, 10**6), groups=st.integers(40, 120))
@settings(max_examples=30, deadline=None)
def test_grouped_shares_are_near_70_15_15_when_groups_are_small(seed, groups):
    rows = pd.DataFrame({"group": np.repeat([f"g{i}" for i in range(groups)], 5)})
    shares = pd.Series(split_grouped(rows, seed)).value_counts(normalize=True)
    for name, share in SHARES.items():
        assert abs(shares[name] - share) <= 1.1 * 5 / len(rows) * 2


@given(seed=st.integers(0, 10**6), count=st.integers(10, 400))
@settings(max_examples=60, deadline=None)
def test_random_shares_are_exact_to_a_row(seed, count):
    parts = pd.Series(split_random(pd.DataFrame(index=range(count)), seed)).value_counts()
    for name, share in SHARES.items():
        assert abs(parts[name] - share * count) <= 1


def test_two_groups_cannot_be_split():
    with pytest.raises(ValueError, match=r"split: grouped needs at least 3 groups, found 2: \['a', 'b'\]"):
        split_grouped(pd.DataFrame({"group": ["a", "b"]}), 1)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return generated(tmp_path_factory.mktemp("raw"))


def test_no_family_is_on_both_sides_and_the_random_split_says_that_it_leaks(raw):
    grouped, random = prepared(raw), prepared(raw, split="random")
    assert grouped.names.groupby("group")["split"].nunique().max() == 1
    assert "groups-cross-the-split" not in codes(grouped.card, "warning")
    assert codes(random.card, "warning")["groups-cross-the-split"] >= 15


def test_equal_seeds_give_equal_arrays_and_other_seeds_another_split(raw):
    one, two, other = prepared(raw, 1), prepared(raw, 1), prepared(raw, 2)
    assert all(np.array_equal(one.train[name], two.train[name]) for name in one.train)
    assert list(one.names["split"]) == list(two.names["split"]) != list(other.names["split"])


def test_v1_and_v2_of_a_seed_see_the_same_split(raw):
    v1 = prepare(raw, DATASET | {"group": "family"}, arm("v1"), 3)
    v2 = prepare(raw, DATASET | {"group": "family"}, arm("v2"), 3)
    assert list(v1.names["split"]) == list(v2.names["split"])
    assert all(np.array_equal(v1.train[name], v2.train[name]) for name in v1.train)


def test_parts_hold_every_row_once_and_names_point_to_them(raw):
    found = prepared(raw)
    counts = found.names["split"].value_counts()
    assert len(found.train["y_train"]) == counts["train"] and len(found.test["y_test"]) == counts["test"]
    assert (found.names["split"].iloc[found.test["row"]] == "test").all()
    assert set(found.train) == {"x_train", "y_train", "x_valid", "y_valid"}
    assert not any("test" in name for name in found.train)


def test_a_changed_test_row_changes_no_training_array(raw, tmp_path):
    before = prepared(raw)
    sample = before.names["sample"][before.names["split"] == "test"]
    antibody = sample.iloc[0].split("|")[0]
    for path in raw.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "antibodies.csv").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{antibody},"))
    cells = lines[at].split(",")
    lines[at] = ",".join(cells[:2] + [str(50.0 + i) for i in range(len(cells) - 2)])
    (tmp_path / "antibodies.csv").write_text("\n".join(lines) + "\n")
    after = prepared(tmp_path)
    assert list(before.names["split"]) == list(after.names["split"])
    assert all(np.array_equal(before.train[name], after.train[name]) for name in before.train)
    assert not np.array_equal(before.test["x_test"], after.test["x_test"])


def test_training_inputs_are_centred_and_have_the_wanted_width(raw):
    found = prepared(raw, features=20)
    assert found.train["x_train"].shape[1] == 20 and found.train["x_train"].dtype == np.float32
    assert np.allclose(found.train["x_train"].mean(axis=0), 0, atol=1e-4)
    assert found.card.facts["features"]["after"] == 20


def test_the_card_counts_rows_bins_and_weights(raw):
    facts = prepared(raw).card.facts
    assert (
        facts["rows_read"] == 600
        and sum(b["train"] + b["valid"] + b["test"] for b in facts["bins"]) == facts["rows_used"]
    )
    counts = np.array([b["train"] for b in facts["bins"]])
    expected = inverse_frequency_weights(counts)
    assert [b["weight"] for b in facts["bins"]] == pytest.approx(expected, abs=1e-4)
    assert facts["weight_formula_sum"] == pytest.approx((counts > 0).sum() / len(NAMES))


def test_an_empty_bin_and_a_part_without_a_bin_are_warnings(tmp_path):
    antibodies, antigens = "ABCDEFGHIJ", "uvwxyz"
    rows = [f"{a},{g},{7.5 + (a == 'A')},pKd" for a in antibodies for g in antigens]
    rows[0] = "A,u,12,pKd"
    folder = write_plain(tmp_path, rows, names=antibodies, antigens=antigens)
    card = prepare(folder, DATASET, arm(), 1).card
    empty = [f.examples[0] for f in card.findings if f.code == "empty-bin"]
    missing = [f.examples[0] for f in card.findings if f.code == "bin-missing-in-part"]
    assert empty == ["very_weak", "weak", "strong"]
    assert len([name for name in missing if name.startswith("very_strong/")]) == 2


def test_a_group_that_the_data_lack_is_named(raw):
    with pytest.raises(ValueError, match=r"group: the data have no column 'fold' to split by .known: family, strain"):
        prepared(raw, group="fold")


def test_bins_are_closed_below_and_open_above():
    borders = np.array([0, 4.999, 5, 6.999, 7, 8.999, 9, 10.999, 11, 16])
    assert list(bin_index(borders)) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    by_hand = [sum(value >= edge for edge in EDGES[1:-1]) for value in borders]
    assert list(bin_index(borders)) == by_hand


@pytest.mark.parametrize("value", [-0.01, 16.01, np.nan, np.inf])
def test_affinities_outside_the_bins_are_refused(value):
    with pytest.raises(ValueError, match="affinity: expected pKd from 0 to 16, found"):
        bin_index(np.array([7.0, value]))


@given(st.lists(st.integers(1, 10**6), min_size=5, max_size=5))
def test_inverse_frequency_weights_fulfil_their_formula(counts):
    weights = inverse_frequency_weights(np.array(counts))
    assert sum(1 / (5 * w) for w in weights) == pytest.approx(1)  # S4-90
    assert np.dot(weights, counts) == pytest.approx(sum(counts))  # the mean weight of a sample is 1
    extreme = inverse_frequency_weights(np.array(counts), 10.0)
    assert list(extreme / weights) == pytest.approx([10, 1, 1, 1, 10])


def test_an_empty_bin_weighs_nothing():
    assert inverse_frequency_weights(np.array([0, 2, 2, 2, 2]))[0] == 0


def test_the_weights_of_the_document_break_their_own_formula():
    assert sum(1 / (5 * w) for w in (81.2, 3.3, 3.9, 3.7, 2439.4)) == pytest.approx(0.168, abs=5e-4)  # S4-90
