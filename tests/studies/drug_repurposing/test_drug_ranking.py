"""Areas and ranks, by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed_graphs import pairs

from rematch.studies.drug_repurposing.ranking import auprc, auroc, ranked, summary

labelled = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(label for _, label in rows) < len(rows)
)


@given(labelled)
def test_areas_equal_scikit_learn(rows):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, labels = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    assert auroc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert auprc(scores, labels) == pytest.approx(metrics.average_precision_score(labels, scores))


@given(labelled)
def test_areas_keep_under_any_increasing_map(rows):
    scores, labels = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    assert auroc(np.exp(scores), labels) == auroc(scores, labels)
    assert auprc(np.exp(scores), labels) == auprc(scores, labels)
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels))


def test_ranks_leave_out_known_treatments_and_other_treatments():
    scores = np.array([[0.9], [0.8], [0.7], [0.6], [0.6]])
    result = ranked(scores, pairs((1, 0), (3, 0)), known=pairs((0, 0)))
    # Compound 0 is known, compounds 1 and 3 are both to be found: 1 is first; 3 is behind 2 and ties with 4.
    assert result.rank.tolist() == [1.0, 2.5]
    assert result.pool.tolist() == [3, 3]
    assert result.labels.sum() == 2 and len(result.labels) == 4
    assert summary(result)["mrr"] == pytest.approx((1 + 1 / 2.5) / 2)
    assert summary(result, at=(1, 2))["hits_at_1"] == 0.5


def test_no_positive_gives_no_number():
    assert np.isnan(auroc(np.ones(3), np.zeros(3, bool))) and np.isnan(auprc(np.ones(3), np.zeros(3, bool)))
