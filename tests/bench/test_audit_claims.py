import pytest

from loupe.bench.audit.claims import Claim, agrees, claim_in
from loupe.data.rationale import REMARKS


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("The crop shows noise; it is slight. It is worse than it looked.", Claim.WORSE),
        ("Now I see no damage. It is better than it looked.", Claim.BETTER),
        ("The crop shows blur, serious. That confirms my first view.", Claim.SAME),
        ("The crop shows blur, serious. So the rating stays.", Claim.SAME),
        ("The crop shows no damage, so I keep my first view.", Claim.SAME),
        ("Up close the banding is more severe, so I downgrade it.", Claim.WORSE),
        ("The artefacts are milder here; I raise the score to 3.8.", Claim.BETTER),
        ("Sharpness is unchanged at full size.", Claim.SAME),
        ("THE QUALITY IS WORSE", Claim.WORSE),
    ],
)
def test_a_plain_claim_is_read(text: str, claim: Claim):
    assert claim_in(text) is claim


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The crop shows noise.",
        "It is not worse than before.",
        "This is no better.",
        "The crop isn't really better.",
        "The edges are better but the sky is worse.",
        "I see betterment and worsening.",
    ],
)
def test_what_is_not_claimed_plainly_is_no_claim(text: str):
    assert claim_in(text) is None


def test_a_taught_sentence_wins_over_words_around_it():
    assert claim_in("The left edge is better. It is worse than it looked.") is Claim.WORSE


def test_the_taught_sentences_hold_every_claim_and_those_of_a_first_look_hold_none():
    found = {remark: claim_in(remark) for remark in REMARKS}
    assert set(found.values()) == {*Claim, None}
    first = ("Clear enough, no crop.", "I am sure, so I finish.", "I need a closer look.")
    assert [found[remark] for remark in first] == [None, None, None]


def test_a_claim_agrees_with_the_change_that_it_names():
    assert agrees(Claim.WORSE, -0.3, slack=0.25)
    assert not agrees(Claim.WORSE, -0.25, slack=0.25)
    assert agrees(Claim.BETTER, 0.3, slack=0.25)
    assert not agrees(Claim.BETTER, 0.25, slack=0.25)
    assert agrees(Claim.SAME, 0.25, slack=0.25)
    assert not agrees(Claim.SAME, -0.3, slack=0.25)
