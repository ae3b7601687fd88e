"""Readers: the official forms, the plain form, and one line for every kind of bad input."""

import lzma
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affinity_samples import codes, read, write_plain

from rematch.studies.antibody_affinity.mutations import mutation_features
from rematch.studies.antibody_affinity.readers import to_pkd

GOOD = ["A,x,100,nM", "A,y,1,nM", "B,x,10,uM", "B,z,7.5,pKd"]


def test_plain_rows_become_pkd(tmp_path):
    table, _ = read(write_plain(tmp_path, GOOD))
    assert list(table.affinity["pkd"]) == [7.0, 9.0, 5.0, 7.5]
    assert list(table.affinity["sample"]) == ["A|x", "A|y", "B|x", "B|z"]
    assert not table.affinity["censored"].any() and set(table.affinity["source"]) == {"all"}
    assert list(table.antibodies.columns) == ["antibody", "antibody_f0", "antibody_f1"]


def test_units_are_powers_of_ten_exactly():
    # 100 nM must be 7, not 6.999...: 7 is the border of two bins.
    path = Path("t.csv")
    for unit, power in (("M", 0), ("mM", 3), ("uM", 6), ("nM", 9), ("pM", 12)):
        values = pd.Series([1.0, 10.0, 100.0, 1000.0])
        assert list(to_pkd(values, pd.Series([unit] * 4), path)) == [power - i for i in range(4)]


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(tmp_path):
    folder = write_plain(tmp_path, GOOD)
    path = folder / "affinity.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(read(folder)[0].affinity["pkd"]) == [7.0, 9.0, 5.0, 7.5]


H = "antibody,antigen,affinity,unit"
BAD = [
    (
        ["A,x,1"],
        "antibody,antigen,affinity",
        r"affinity\.csv: column 'unit' is missing; found \['antibody'",
    ),
    (
        ["A;x;1;nM"],
        H.replace(",", ";"),
        r"'antibody' is missing \(the header looks separated by ';', expected ','\)",
    ),
    (["A\tx\t1\tnM"], H.replace(",", "\t"), r"the header looks separated by '\\t'"),
    (["A,x,1,nM", "A,y,1,mg/ml"], H, r"affinity\.csv: row 3: unit: expected pKd, M, mM, uM, nM, pM, found 'mg/ml'"),
    (["A,x,1,nm"], H, "row 2: unit: expected .* found 'nm'"),
    (["A,x,1,nM", "A,y,nan,nM"], H, "row 3: affinity: expected a finite number, found 'nan'"),
    (["A,x,inf,nM"], H, "row 2: affinity: expected a finite number, found 'inf'"),
    (["A,x,1e999,nM"], H, "row 2: affinity: expected a finite number, found '1e999'"),
    (["A,x,,nM"], H, "row 2: affinity: expected a finite number, found ''"),
    (["A,x,>5,nM"], H, "row 2: affinity: expected a finite number, found '>5'"),
    (["A,x,0,nM"], H, "row 2: affinity: expected Kd > 0, found 0"),
    (["A,x,-3,nM"], H, "row 2: affinity: expected Kd > 0, found -3"),
    ([], H, r"affinity\.csv: a header but no row"),
    (["A,x,1,nM", "A,y"], H, "row 3: affinity: expected a finite number, found ''"),
    (["A,x,1,nM", "A,y,1,nM,9"], H, "not readable as a table .*Expected 4 fields in line 3, saw 5"),
    (["A,x,1,nM,9", "A,y,1,nM,9"], H, "row 2: expected 4 fields as in the header, found more"),
    (['A,"x,1,nM'], H, "not readable as a table"),
    (["A,x,1,nM,yes"], H + ",below_detection", "row 2: below_detection: expected 0 or 1, found 'yes'"),
]


@pytest.mark.parametrize(("rows", "header", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_tables_are_one_line(tmp_path, rows, header, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(write_plain(tmp_path, rows, header))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"affinity\.csv: the file is empty; expected a header with antibody, antigen, affinity, unit"),
        (b"\n \n", "the file is empty"),
        ("antibody,antigen\n".encode("utf-16"), "expected UTF-8 text, found byte 0xff"),
        (b"\xb5M,x\n", "expected UTF-8 text, found byte 0xb5"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, message):
    (write_plain(tmp_path, GOOD) / "affinity.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_a_missing_file_and_a_feature_that_is_no_number(tmp_path):
    folder = write_plain(tmp_path, GOOD)
    (folder / "antigens.csv").write_text("antigen,f0\nx,1\ny,high\n")
    with pytest.raises(ValueError, match=r"antigens\.csv: row 3: f0: expected a finite number, found 'high'"):
        read(folder)
    (folder / "antigens.csv").unlink()
    with pytest.raises(ValueError, match=r"antigens\.csv: file not found"):
        read(folder)


LANDSCAPE = [("0" * 15, "9.5"), ("1" + "0" * 14, ""), ("1" * 15, "7.25")]


def write_landscape(folder, antibody="CB6", rows=LANDSCAPE):
    text = "Genotype\tPredicted\tActual Kd\n" + "".join(f"{g}\t1.0\t{kd}\n" for g, kd in rows)
    (folder / f"lasso_prediction_{antibody}_aic_opt_order_biochem.txt").write_text(text)


def test_both_forms_of_the_landscape_give_the_same_tables(tmp_path):
    (tmp_path / "official").mkdir()
    (tmp_path / "plain").mkdir()
    text = "antibody,genotype,neglog10_kd\n"
    for antibody in ("CB6", "S309"):
        write_landscape(tmp_path / "official", antibody)
        text += "".join(f"{antibody},{g},{kd}\n" for g, kd in LANDSCAPE)
    (tmp_path / "plain/affinity.csv.xz").write_bytes(lzma.compress(text.encode()))
    official, _ = read(tmp_path / "official", "landscape")
    plain, _ = read(tmp_path / "plain", "landscape-stacked")
    for name in ("affinity", "antibodies", "antigens"):
        pd.testing.assert_frame_equal(getattr(official, name), getattr(plain, name))
    assert official.crossed == plain.crossed and len(official.crossed) == 15


def test_landscape_rows_without_binding_are_censored_at_the_limit(tmp_path):
    write_landscape(tmp_path)
    table, _ = read(tmp_path, "landscape")
    assert list(table.affinity["censored"]) == [False, True, False]
    assert list(table.affinity["pkd"]) == [9.5, 6.0, 7.25]
    assert list(table.affinity["mutations"]) == ["0", "1", "15"]
    assert list(table.antigens.filter(like="site").sum()) == [2.0] + [1.0] * 14


def test_landscape_mistakes(tmp_path):
    with pytest.raises(ValueError, match="expected files named lasso_prediction_<antibody>_"):
        read(tmp_path, "landscape")
    write_landscape(tmp_path, rows=[("0102", "8")])
    with pytest.raises(ValueError, match="genotype: expected 15 characters 0 or 1, found '0102'"):
        read(tmp_path, "landscape")
    (tmp_path / "affinity.csv.xz").write_bytes(lzma.compress(b"antibody,genotype")[:-8])
    with pytest.raises(ValueError, match=r"not a whole \.xz file; truncated or not compressed"):
        read(tmp_path, "landscape-stacked")


COLUMNS = (
    "#Pdb;Mutation(s)_cleaned;iMutation_Location(s);Hold_out_type;Affinity_mut_parsed;Affinity_wt_parsed;Temperature"
)
SKEMPI = [
    "1AHW_AB_C;YC157A;COR;AB/AG;1E-8;1E-9;298",
    "1AHW_AB_C;YC157A,TC167A;COR,SUP;AB/AG;1E-7;1E-9;298(assumed)",
    "1AHW_AB_C;KC169A;RIM;AB/AG;;1E-9;",
    "1CSE_E_I;LI38G;COR;Pr/PI;5E-11;1E-12;294",
    "1BJ1_HL_VW;FV10A;COR;AB/AG,Pr/PI;1E-6;1E-9;",
]


@pytest.mark.parametrize("padding", ["", ",", ",,,,,"], ids=["plain", "one-comma", "many-commas"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_skempi_keeps_antibody_rows_with_both_affinities(tmp_path, padding, line_end):
    text = "".join(line + padding + line_end for line in [COLUMNS, *SKEMPI])
    (tmp_path / "skempi_v2.csv").write_bytes(text.encode())
    table, card = read(tmp_path, "skempi")
    assert np.allclose(table.affinity["pkd"], [8, 7, 6])
    assert list(table.affinity["source"]) == ["298 K"] * 3
    assert list(table.affinity["complex"]) == ["1AHW_AB_C", "1AHW_AB_C", "1BJ1_HL_VW"]
    assert list(table.antigens["mutation_count"]) == [1.0, 2.0, 1.0]
    assert np.allclose(table.antigens["wildtype_pkd"], 9)
    assert codes(card, "warning") == {"unparsed-affinity": 1, "no-temperature": 1}
    assert codes(card, "note") == {"antibody-rows": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1AHW;YC157A;COR;AB/AG;1E-8;0;298", "row 2: affinity: expected Kd > 0, found 0"),
        ("1AHW;YC157A;COR;AB/AG;x;1E-9;298", "row 2: Affinity_mut_parsed: expected a finite number, found 'x'"),
        ("1AHW;Y157;COR;AB/AG;1E-8;1E-9;298", "mutation: expected a form such as LI45G, found 'Y157'"),
        ("1CSE;LI38G;COR;Pr/PI;5E-11;1E-12;294", "no antibody-antigen row with both affinities"),
    ],
)
def test_skempi_mistakes(tmp_path, line, message):
    (tmp_path / "skempi_v2.csv").write_text(f"{COLUMNS}\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "skempi")


def test_mutation_features_by_hand():
    found = mutation_features(pd.Series(["DA1K,LA2L"]), pd.Series(["COR,SUR"]), Path("t")).iloc[0]
    assert found["lost_D"] == 1 and found["gained_K"] == 1 and found["lost_L"] == found["gained_L"] == 1
    assert found["charge_change"] == 2.0 and found["charge_size"] == 2.0
    assert found["hydropathy_change"] == pytest.approx(-3.9 - -3.5) and found["mutation_count"] == 2
    assert found["at_COR"] == found["at_SUR"] == 1 and found["at_RIM"] == 0


@pytest.mark.skipif("REMATCH_MIRROR" not in os.environ, reason="REMATCH_MIRROR names no folder with the real data")
def test_the_real_landscape_has_the_published_counts(tmp_path):
    folder = Path(os.environ["REMATCH_MIRROR"]) / "antibody_affinity/omicron_rbd_4mabs"
    table, _ = read(folder, "landscape-stacked")
    assert len(table.affinity) == 4 * 2**15 and int((~table.affinity["censored"]).sum()) == 92832
    assert len(table.antigens) == 2**15


@pytest.mark.skipif("REMATCH_MIRROR" not in os.environ, reason="REMATCH_MIRROR names no folder with the real data")
def test_the_real_skempi_is_read():
    table, card = read(Path(os.environ["REMATCH_MIRROR"]) / "antibody_affinity/skempi_v2", "skempi")
    assert len(table.affinity) > 900 and table.affinity["complex"].nunique() > 20
    assert codes(card, "note")["antibody-rows"] > 5000
