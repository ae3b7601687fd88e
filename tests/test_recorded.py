import csv

from benchmarks.recorded import COLUMNS, machine, report


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_results_are_printed_and_replace_the_program_s_rows(tmp_path, capsys):
    table = tmp_path / "benchmarks.csv"
    table.write_text(",".join(COLUMNS) + "\nother,speed,3,2026-01-01,somewhere\nmine,speed,1,2026-01-01,somewhere\n")
    report("mine", {"speed": 12.3456, "memory": 7}, record=True, table=table)
    assert capsys.readouterr().out == "RESULT speed 12.35\nRESULT memory 7\n"
    found = {(row["program"], row["name"]): row for row in _rows(table)}
    assert found["other", "speed"]["value"] == "3" and found["mine", "speed"]["value"] == "12.35"
    assert len(found) == 3 and found["mine", "memory"]["where"] == machine()


def test_nothing_is_recorded_unasked(tmp_path):
    report("mine", {"speed": 1.0}, record=False, table=tmp_path / "absent.csv")
    assert not (tmp_path / "absent.csv").exists()


def test_a_machine_is_described_without_its_name():
    import platform

    assert "cores" in machine() and platform.node() not in machine()
