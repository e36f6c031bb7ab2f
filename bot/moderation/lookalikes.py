"""Which signs people read as a letter of a to z, and which they don't see at all. Data for prompt_text.py.

Only what Unicode's own decomposition (NFKD) leaves: it knows fullwidth, mathematical and circled letters by itself.
"""

from typing import Final

_ALIKE: Final = {
    "a": "аΑαАᎪᗅꓮɑᴀ⍺ꭺ🅐🅰🇦",
    "b": "вВΒЬьᏴᗷꓐʙƀɓβ🅑🅱🇧",
    "c": "сСϹϲᏟꓚᴄƈ🅒🅲🇨",
    "d": "ԁԀᎠᗞꓓđðɗᴅ🅓🅳🇩",
    "e": "еЕΕεЄєᎬꓰәɛᴇ℮ɘ🅔🅴🇪",
    "f": "ϜƒꓝᖴꜰՖ🅕🅵🇫",
    "g": "ԍԌᏀꓖɡɢց🅖🅶🇬",
    "h": "һҺНнΗᎻᕼꓧհʜħ🅗🅷🇭",
    "i": "іІΙιӏᎥꓲıɩɪ🅘🅸🇮",
    "j": "јЈͿᎫᒍꓙյᴊɉ🅙🅹🇯",
    "k": "кКΚκᏦꓗᴋƙ🅚🅺🇰",
    "l": "Ӏᒪꓡʟłⅼɭ🅛🅻🇱",
    "m": "мМΜᎷꓟᴍ🅜🅼🇲",
    "n": "пΝηոꓠɴɲŋ🅝🅽🇳",
    "o": "оОΟοօՕꓳᴏøθσ🅞🅾🇴",
    "p": "рРΡρᏢᑭꓑᴘƥ🅟🅿🇵",
    "q": "ԛԚզɋ🅠🆀🇶",
    "r": "гГᎡᖇꓣʀɾɼ🅡🆁🇷",
    "s": "ѕЅՏᏚꓢꜱʂ🅢🆂🇸",
    "t": "тТΤτᎢꓔᴛŧƭ🅣🆃🇹",
    "u": "υսՍꓴᴜʋμ🅤🆄🇺",
    "v": "νѵѴᏙꓦᴠ🅥🆅🇻",
    "w": "ωԝԜᎳꓪᴡшщ🅦🆆🇼",
    "x": "хХΧχꓫᕁ🅧🆇🇽",
    "y": "уУΥγүҮꓬʏƴ🅨🆈🇾",
    "z": "ΖᏃꓜᴢƶʐ🅩🆉🇿",
}

LOOKALIKES: Final = {sign: letter for letter, signs in _ALIKE.items() for sign in signs}

# Fillers that Unicode counts as letters or signs; format and control characters are known by their category.
UNSEEN: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

DIGITS: Final = {
    "0": "o",
    "1": "il",
    "2": "z",
    "3": "e",
    "4": "a",
    "5": "s",
    "6": "g",
    "7": "t",
    "8": "b",
    "9": "g",
}
"""Digit → the letters that it may stand for."""

SIGNS: Final = {
    "@": "a",
    "$": "s",
    "€": "e",
    "£": "l",
    "!": "il",
    "¡": "i",
    "¢": "c",
    "¥": "y",
    "|": "il",
    "+": "t",
    "(": "c",
    "<": "c",
    "#": "h",
}
"""Sign → the letters that it may stand for; it may also be what it looks like."""

OFTEN_BETWEEN: Final = frozenset("|+(<#")
"""Those of SIGNS that people rather put between letters."""

VOWELS: Final = "aeiou"
MASK: Final = "*"
"""May hide a letter."""
