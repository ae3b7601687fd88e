"""Where the time went is read from the logs of the jobs."""

from rematch.costs import Cost, costs, table

IMPORTED = "2026-01-01 INFO rematch.studies.s.train imported in 0.80 processor seconds\n"


def write(logs, name, text):
    path = logs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_job_is_told_by_the_place_of_its_log(tmp_path):
    write(tmp_path, "train/s/v1/cpu/1.log", IMPORTED + "x\n2026-01-01 INFO 3.00 processor seconds\n")
    write(tmp_path, "train/s/v1/cpu/2.log", IMPORTED + "2026-01-01 ERROR the loss is no number\n")
    write(tmp_path, "prepare/data/s/v1/all.log", "2026-01-01 INFO 0.50 processor seconds\n")
    write(tmp_path, "generate/data.log", "2026-01-01 INFO 0.25 processor seconds\n")
    write(tmp_path, "collect/s.log", "2026-01-01 INFO 1.00 processor seconds\n")
    write(tmp_path, "report.log", "2026-01-01 INFO 2.00 processor seconds\n")
    assert costs(tmp_path) == [
        Cost("collect", "s", 1.0, 0),
        Cost("generate", "", 0.25, 0),
        Cost("prepare", "s", 0.5, 0),
        Cost("report", "", 2.0, 0),
        Cost("train", "s", 3.0, 0.8),
    ]


def test_the_table_adds_up():
    jobs = [
        Cost("train", "s", 30, 10),
        Cost("evaluate", "s", 7, 2),
        Cost("prepare", "t", 5, 0),
        Cost("report", "", 4, 0),
    ]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(jobs).splitlines()[2:]]
    assert rows == [
        ["s", "2", "12", "20", "5", "0", "0", "37"],
        ["t", "1", "0", "0", "0", "5", "0", "5"],
        ["for all studies", "1", "0", "0", "0", "0", "4", "4"],
        ["sum", "4", "12", "20", "5", "5", "4", "46"],
    ]
