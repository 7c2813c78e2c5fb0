"""PIPAL in miniature: one label file an original, and Elo ratings without ends."""

from typing import Any


def put(release: Any) -> None:
    for original, elo in (("A0001", 1400.0), ("A0002", 1466.4372)):
        names = [f"{original}_00_{number:02d}.bmp" for number in range(2)]
        release.text(f"Train_Label/{original}.txt", f"{names[0]},{elo}", f"{names[1]},{elo + 100}")
        release.images(f"Train_Ref/{original}.bmp", *(f"Train_Dist_1/{name}" for name in names))


def test_every_label_file_is_read_and_the_observed_range_is_the_scale(release: Any) -> None:
    put(release)
    built = release.build("pipal")
    found = release.samples()
    assert len(found) == 4
    assert len(built.manifest["labels"]) == 2
    assert found["A0002_00_00.bmp"].mos == 1466.4372
    assert (found["A0001_00_00.bmp"].rating, found["A0002_00_01.bmp"].rating) == (1.0, 5.0)
    assert found["A0001_00_00.bmp"].scale_max == 1566.4372
    assert found["A0002_00_00.bmp"].reference == "references/A0002.bmp"
