"""Which language a visitor reads, by the header Accept-Language of the browser."""

ENGLISH = "en"
# By language, in small letters: what a browser may ask for to get it, and what it may not although
# it begins in the same way. Readers of traditional characters who also name `zh` get simplified
# ones before English.
READERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ENGLISH: (("en",), ()),
    "zh-CN": (("zh",), ("zh-hant", "zh-tw", "zh-hk", "zh-mo")),
}


def choose_language(header: str) -> str:
    """The language of the page for a browser: the first that it prefers and that there is.

    Args:
        header: the value of Accept-Language (RFC 9110, 12.5.4), as anybody may send it; parts of
            it that mean nothing are left out.
    """
    ranges = [parse_range(part) for part in header[:1000].split(",")]
    refused = {tag for tag, quality in ranges if quality == 0}
    offered = [language for language in READERS if not any(reads(tag, language) for tag in refused)]
    wanted = sorted((one for one in ranges if one[1] > 0), key=lambda one: -one[1])
    for tag, _ in wanted:
        for language in offered:
            if tag == "*" or reads(tag, language):
                return language
    return ENGLISH


def parse_range(part: str) -> tuple[str, float]:
    """(a tag in small letters, how much it is wanted: 0 to 1) of one part of the header."""
    tag, *parameters = (text.strip().lower() for text in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.001  # it is wanted, but nobody knows how much
    in_range = min(1.0, quality) if quality >= 0 else 0.0  # NaN becomes 0 as well
    return tag, in_range


def reads(tag: str, language: str) -> bool:
    """Whether somebody who asks for a tag can read a language."""
    wanted, others = READERS[language]
    return is_within(tag, wanted) and not is_within(tag, others)


def is_within(tag: str, prefixes: tuple[str, ...]) -> bool:
    return any(tag == prefix or tag.startswith(f"{prefix}-") for prefix in prefixes)
