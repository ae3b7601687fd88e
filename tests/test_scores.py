"""Scores in a fixed order."""

from rematch.scores import Evaluation, Score


def test_the_table_has_fixed_columns_and_order():
    scores = [Score("rmse", 1.0, 5), Score("mae", 2.0, 5), Score("rmse", 3.0, 4, "valid")]
    table = Evaluation(scores).table()
    assert list(table.columns) == ["split", "name", "value", "n"]
    assert table.to_csv(index=False) == Evaluation(scores[::-1]).table().to_csv(index=False)
    assert list(table["name"]) == ["mae", "rmse", "rmse"] and list(table["split"]) == ["test", "test", "valid"]


def test_no_scores_give_an_empty_table_with_columns():
    assert Evaluation([]).table().to_csv(index=False) == "split,name,value,n\n"
