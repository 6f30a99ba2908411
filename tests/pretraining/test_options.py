"""What may stand under `pretraining`."""

import pytest
from pretrained import options, small, standing
from pydantic import ValidationError

from veneer.pretraining.options import PretrainingOptions


def test_what_the_project_has_is_fine():
    found = PretrainingOptions(**standing())
    assert found.shared < found.width
    assert len(found.heads) + 1 == len(found.average)
    assert options().corpus.waste == 20


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"average": [0.5, 0.5]}, "one share for each of the heads"),
        ({"average": [0.5, 0.5, 0.5]}, "together they are 1"),
        ({"average": [1.5, -0.5, 0]}, "greater than or equal to 0"),
        ({"shared": 1024}, "width is larger than shared"),
        ({"width": 512}, "1002 together at least"),
        ({"width": 2000}, "width is 1280 above shared at most"),
        ({"shared": 600}, "shared is 512 at most"),
        ({"text": {"heads": 3}}, "3 heads cannot share a width of 64"),
        ({"text": {"steps": 0}}, "greater than or equal to 1"),
        ({"lanes": {"textures": {3: 3}}}, "4, 5 or 6"),
        ({"lanes": {"textures": {4: -1}}}, "greater than or equal to 0"),
        ({"lanes": {"colours": 4}}, "less than or equal to 3"),
        ({"lanes": {"names": 13}}, "less than or equal to 12"),
        ({"lanes": {"textures": {4: 10}}}, "17 lanes after stage 4, where 16 have room"),
        ({"lanes": {"textures": {4: 4, 5: 11}}}, "25 lanes after stage 5, where 24 have room"),
        ({"lanes": {"colours": 2}}, "3 centres of 2 colours"),
        ({"heads": {"dropout": 1.0}}, "less than 1"),
        ({"whitening": 1.1}, "less than or equal to 1"),
        ({"corpus": {"captions": 3}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_made_is_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        PretrainingOptions(**small(**given))
