import pytest

from geoseg.core.text import format_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.25, "0.25"),
        (1234.5678, "1,234.568"),
        (0.0, "0"),
        (0.00012345, "0.000123"),
        (True, "yes"),
        (None, ""),
        ([1000, "a", 0.5], "1,000, a, 0.5"),
        ((3, 4), "3, 4"),
    ],
)
def test_values_in_words(value, text):
    assert format_value(value) == text
