"""Passwords are masked wherever a URL may hold them."""

import pytest

from lrtune.support.secrets import masked

QUERY = "postgresql://db/studies?user=me&"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:secret@db/studies", "postgresql://me:***@db/studies"),
        ("postgresql://:secret@db/studies", "postgresql://:***@db/studies"),
        ("postgresql://me:s@c:r/t@db/studies", "postgresql://me:***@db/studies"),
        ("postgresql:/me:secret@db", "postgresql:/me:***@db"),
        ("no file 'mysql://me:secret@db'", "no file 'mysql://me:***@db'"),
        (f"{QUERY}password=secret", f"{QUERY}password=***"),
        (f"{QUERY}sslpassword=secret&x=1", f"{QUERY}sslpassword=***&x=1"),
        (f"{QUERY}auth_TOKEN=secret and more", f"{QUERY}auth_TOKEN=*** and more"),
    ],
)
def test_a_password_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text", ["lrtune.journal", "sqlite:///record.db", "postgresql://me@db/studies", QUERY, "a: b"]
)
def test_other_texts_stay_the_same(text: str) -> None:
    assert masked(text) == text
