"""Large numbers in few letters."""

from sensorium.pictures.short_number import short_number


def test_numbers_are_short():
    assert [short_number(n) for n in (0, 1, 999, 1000, 1234, 999_499, 12_345_678, 2.5e9, 3e12)] == [
        "0", "1", "999", "1 k", "1.23 k", "999 k", "12.3 M", "2.5 G", "3 T",
    ]  # fmt: skip
    assert short_number(999_999) == "1 M"
