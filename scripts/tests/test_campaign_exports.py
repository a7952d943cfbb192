"""Campaign exports, read by the tools that others read them with.

The files are what the Rust tests of seamline-campaign compare with, byte for byte. Needs
scripts/tests/campaign-requirements.txt, which `make test` installs in an environment of its own.
"""
import csv
import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[2] / "crates/seamline-campaign/tests/golden"
STIX = ["stix_proposed.json", "stix_confirmed.json"]


def load(name):
    return json.loads((GOLDEN / name).read_text())


@pytest.mark.parametrize("name", STIX)
def test_stix_passes_the_validator(name):
    validator = pytest.importorskip("stix2validator")
    options = validator.ValidationOptions(version="2.1", strict=False, disabled=[])
    results = validator.validate_string((GOLDEN / name).read_text(), options)
    assert results.is_valid, [str(e) for e in results.errors]


@pytest.mark.parametrize("name", STIX + ["stix_opencti.json"])
def test_stix_round_trips_through_the_library(name):
    stix2 = pytest.importorskip("stix2")
    ours = load(name)
    parsed = stix2.parse(json.dumps(ours), allow_custom=name == "stix_opencti.json", version="2.1")
    again = json.loads(parsed.serialize())
    assert again["id"] == ours["id"] and len(again["objects"]) == len(ours["objects"])
    # The library drops zero milliseconds from some times and not from others; they are the same times.
    plain = lambda o: json.loads(json.dumps(o).replace(".000Z", "Z"))
    theirs = {o["id"]: plain(o) for o in again["objects"]}
    for o in ours["objects"]:
        assert theirs[o["id"]] == plain(o), o["type"]


@pytest.mark.parametrize("name", STIX)
def test_file_ids_are_those_that_the_standard_derives(name):
    stix2 = pytest.importorskip("stix2")
    files = [o for o in load(name)["objects"] if o["type"] == "file"]
    assert files
    for o in files:
        assert stix2.v21.File(hashes=o["hashes"]).id == o["id"]


@pytest.mark.parametrize("name", STIX + ["stix_opencti.json"])
def test_every_reference_is_in_the_bundle(name):
    objects = load(name)["objects"]
    ids = {o["id"] for o in objects}
    assert len(ids) == len(objects)
    for o in objects:
        for key, value in o.items():
            if key.endswith("_ref"):
                assert value in ids, (o["type"], key)
            if key.endswith("_refs"):
                assert set(value) <= ids, (o["type"], key)


def test_a_proposal_and_a_confirmed_campaign_share_the_ids_of_their_clips():
    by_kind = lambda name, kind: {o["id"] for o in load(name)["objects"] if o["type"] == kind}
    for kind in ["file", "indicator", "note", "sighting"]:
        assert by_kind(STIX[0], kind) == by_kind(STIX[1], kind)
    assert by_kind(STIX[0], "grouping") and not by_kind(STIX[0], "campaign")
    assert by_kind(STIX[1], "campaign") and not by_kind(STIX[1], "grouping")


@pytest.mark.parametrize("name", ["misp_proposed.json", "misp_confirmed.json"])
def test_misp_loads_the_event(name):
    pymisp = pytest.importorskip("pymisp")
    ours = load(name)["Event"]
    event = pymisp.MISPEvent()
    event.from_dict(**load(name))
    assert event.uuid == ours["uuid"]
    assert len(event.objects) == len(ours["Object"]) == 3
    assert len(event.attributes) == len(ours["Attribute"])
    for o in event.objects:
        assert o.name == "file" and o.get_attributes_by_relation("sha256")
    again = json.loads(event.to_json())
    assert {t["name"] for t in again["Tag"]} == {t["name"] for t in ours["Tag"]}


def test_misp_file_objects_fit_the_template():
    pymisp = pytest.importorskip("pymisp")
    template = json.loads((Path(pymisp.__file__).parent / "data/misp-objects/objects/file/definition.json").read_text())
    for o in load("misp_proposed.json")["Event"]["Object"]:
        assert o["template_uuid"] == template["uuid"] and o["template_version"] == str(template["version"])
        for a in o["Attribute"]:
            assert a["type"] == template["attributes"][a["object_relation"]]["misp-attribute"]


def test_csv_reads_back():
    rows = list(csv.DictReader((GOLDEN / "campaign.csv").open(newline="")))
    assert len(rows) == 4 and {len(r["sha256"]) for r in rows} == {64}
    assert any(r["channel"].startswith("'=") for r in rows)


def test_media_review_has_what_schema_org_asks_for():
    review = load("media_review.json")
    assert review["@context"] == "https://schema.org" and review["@type"] == "MediaReview"
    assert review["author"]["name"] and review["mediaAuthenticityCategory"].endswith("TransformedContent")
    assert review["itemReviewed"]["mediaItemAppearance"]
