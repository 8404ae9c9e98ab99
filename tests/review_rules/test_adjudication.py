"""When opinions make a consensus, a dispute or nothing; anonymised opinions tell nobody's name by their order."""

from __future__ import annotations

import pytest

from review.rules.adjudication import Opinion, anonymise, settle


def person(name: str, label: str | None, *, verb: str = "label", is_blind: bool = True) -> Opinion:
    return Opinion(f"user:{name}", "person", label, verb=verb, is_blind=is_blind)


CHAMPION = Opinion("v1", "champion", "short")


@pytest.mark.parametrize(
    ("opinions", "kind"),
    [
        ([], "nothing"),
        ([CHAMPION], "nothing"),
        ([person("an", "short")], "nothing"),
        ([person("an", "short"), CHAMPION], "nothing"),
        ([person("an", "ok"), CHAMPION], "adjudicate"),
        ([person("an", "ok"), Opinion("v1", "champion", None)], "nothing"),
        ([person("an", "ok"), person("binh", "ok"), CHAMPION], "consensus"),
        ([person("an", "ok"), person("binh", "short")], "adjudicate"),
        ([person("an", "ok"), person("binh", "ok", is_blind=False)], "nothing"),
        ([person("an", "ok"), person("binh", "ok"), person("chi", "open")], "adjudicate"),
        ([person("an", None, verb="unsure")], "adjudicate"),
        ([person("an", "ok"), person("an", "ok")], "nothing"),
        ([Opinion("predictor:x", "predictor", "ok"), CHAMPION], "nothing"),
    ],
)
def test_opinions_settle_as_declared(opinions: list[Opinion], kind: str) -> None:
    assert settle(opinions).kind == kind


def test_the_consensus_is_the_people_s_label() -> None:
    outcome = settle([person("an", "ok"), person("binh", "ok"), CHAMPION])
    assert outcome.label == "ok"
    assert {opinion.judge for opinion in outcome.opinions} == {"user:an", "user:binh"}


def test_the_machine_is_not_always_the_same_letter() -> None:
    places = [anonymise([person("an", "ok"), CHAMPION], f"subject-{i}") for i in range(400)]
    machine_is_a = sum(place[0]["judge"] == "v1" for place in places)
    assert 150 < machine_is_a < 250
    assert anonymise([CHAMPION, person("an", "ok")], "subject-1") == places[1]
