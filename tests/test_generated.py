"""Generated data sets leave a listing with checksums."""

import json

from rematch.digests import file_digest
from rematch.generated import generate

SIZES = {"rows": 60, "families": 4, "antibodies_per_family": 2, "strains": 3, "antigens_per_strain": 3}
RECIPE = {"module": "antibody_affinity", "seed": 7, "reader": "plain", "sizes": SIZES}


def test_the_listing_names_every_file_with_its_checksum(tmp_path):
    generate(RECIPE, tmp_path / "raw", tmp_path / "raw.json")
    listing = json.loads((tmp_path / "raw.json").read_text())
    assert listing["reader"] == "plain"
    assert {file["name"] for file in listing["files"]} == {path.name for path in (tmp_path / "raw").iterdir()}
    for file in listing["files"]:
        path = tmp_path / "raw" / file["name"]
        assert file["bytes"] == path.stat().st_size and file["check"] == ["sha256", file_digest(path)]
