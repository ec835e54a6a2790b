"""How the same place, firm or word is spelled: what the lists of ISO 3166 do not say themselves."""

from __future__ import annotations

import gettext
import re
import unicodedata
from functools import cache

import pycountry
from babel import Locale

# Languages in which countries and their parts are written in exports. Of each country, how it writes its own parts.
_LANGUAGES = ("zh", "ja", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "ko", "sv", "tr")
_OWN_LANGUAGE = {"CN": "zh_CN", "JP": "ja"}
_COUNTRIES = {
    "usa": "US", "u s a": "US", "america": "US", "uk": "GB", "u k": "GB", "great britain": "GB", "england": "GB", "scotland": "GB",
    "holland": "NL", "p r china": "CN", "prc": "CN", "中华人民共和国": "CN", "美国": "US", "台湾": "TW", "香港": "HK", "澳门": "MO",
    "korea": "KR", "russia": "RU", "deutschland": "DE", "brd": "DE", "日本国": "JP", "uae": "AE", "czech republic": "CZ",
    "turkey": "TR",
}  # fmt: skip
# ISO 3166-2 of a Chinese province: its short name, its sign, its name in Latin letters.
_CHINA = {
    "AH": "安徽 皖 Anhui", "BJ": "北京 京 Beijing", "CQ": "重庆 渝 Chongqing", "FJ": "福建 闽 Fujian", "GD": "广东 粤 Guangdong",
    "GS": "甘肃 甘 Gansu", "GX": "广西 桂 Guangxi", "GZ": "贵州 贵 Guizhou", "HA": "河南 豫 Henan", "HB": "湖北 鄂 Hubei",
    "HE": "河北 冀 Hebei", "HI": "海南 琼 Hainan", "HK": "香港 港 Hongkong", "HL": "黑龙江 黑 Heilongjiang", "HN": "湖南 湘 Hunan",
    "JL": "吉林 吉 Jilin", "JS": "江苏 苏 Jiangsu", "JX": "江西 赣 Jiangxi", "LN": "辽宁 辽 Liaoning", "MO": "澳门 澳 Macau",
    "NM": "内蒙古 蒙 Neimenggu", "NX": "宁夏 宁 Ningxia", "QH": "青海 青 Qinghai", "SC": "四川 川 Sichuan", "SD": "山东 鲁 Shandong",
    "SH": "上海 沪 Shanghai", "SN": "陕西 陕 Shaanxi", "SX": "山西 晋 Shanxi", "TJ": "天津 津 Tianjin", "TW": "台湾 台 Taiwan",
    "XJ": "新疆 新 Xinjiang", "XZ": "西藏 藏 Xizang", "YN": "云南 滇 Yunnan", "ZJ": "浙江 浙 Zhejiang",
}  # fmt: skip
_OTHER_NAMES = {
    "CN": {"inner mongolia": "NM", "nei mongol": "NM", "tibet": "XZ", "hong kong": "HK", "macao": "MO", "peking": "BJ", "蜀": "SC",
           "黔": "GZ", "陇": "GS", "秦": "SN", "云": "YN", "廣東": "GD", "廣西": "GX", "臺灣": "TW", "重慶": "CQ"},
    "JP": {"東京都": "13", "東京": "13", "大阪府": "27", "京都府": "26", "tokyo to": "13", "osaka fu": "27", "kyoto fu": "26"},
    "DE": {"nrw": "NW"},
    "US": {"washington dc": "DC", "washington d c": "DC", "d c": "DC"},
}  # fmt: skip
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
# What may stand behind the name of a province and does not change which it is.
_KINDS_OF_REGION = re.compile(
    "(特别行政区|壮族自治区|回族自治区|维吾尔自治区|自治区|省|市|県|县)$|"
    r" (sheng|shi|sar|zizhiqu|\w+zu zizhiqu|\w+ zizhiqu|province|prefecture|ken|state|city)$"
)
# Legal forms: how each is written, and what else stands for it (without points and blanks, in small letters).
_FORMS = {
    "GmbH": ("gmbh", "gesmbh", "gesellschaftmbh", "gesellschaftmitbeschränkterhaftung"), "AG": ("ag", "aktiengesellschaft"),
    "KG": ("kg",), "OHG": ("ohg",), "UG": ("ug", "ughaftungsbeschränkt"), "GmbH & Co. KG": ("gmbh&cokg", "gmbhundcokg", "gmbhcokg"),
    "e.K.": ("ek",), "Ltd": ("ltd", "limited"), "Co., Ltd": ("co,ltd", "coltd", "companylimited", "colimited"), "PLC": ("plc",),
    "LLP": ("llp",), "LLC": ("llc",), "Inc": ("inc", "incorporated"), "Corp": ("corp", "corporation"),
    "S.A.": ("sa", "sociedadanónima", "sociétéanonyme"), "S.A.S.": ("sas",), "SARL": ("sarl",), "S.p.A.": ("spa",),
    "S.r.l.": ("srl",), "S.L.": ("sl",), "B.V.": ("bv",), "N.V.": ("nv",), "A/S": ("a/s",), "ApS": ("aps",), "AB": ("ab",),
    "Oy": ("oy",), "AS": ("as",), "Sp. z o.o.": ("spzoo",), "Pty Ltd": ("ptyltd", "ptylimited"),
    "股份有限公司": ("股份有限公司", "股份公司"), "有限责任公司": ("有限责任公司",), "有限公司": ("有限公司",),
    "株式会社": ("株式会社", "(株)", "㈱"), "有限会社": ("有限会社", "(有)"), "合同会社": ("合同会社",),
}  # fmt: skip
_FORM_OF = {written: form for form, spellings in _FORMS.items() for written in spellings}
_LEADING_FORMS = ("株式会社", "有限会社", "合同会社", "(株)", "(有)")
_LONGEST_FORM = 5  # words


def tidy(text: str) -> str:
    """A text without full-width letters, control characters and needless blanks."""
    text = unicodedata.normalize("NFKC", text)
    kept = "".join(one for one in text if one.isspace() or unicodedata.category(one) not in ("Cc", "Cf"))
    return " ".join(kept.split())


def fold(text: str | None) -> str | None:
    """A text by which spellings are compared: small letters without accents, words with one blank between; None for none."""
    if not isinstance(text, str):
        return None
    text = tidy(text).casefold()
    if not text.isascii():
        # Only Latin letters lose their accents: those of other scripts make other letters.
        parts = [
            unicodedata.normalize("NFKD", one) if one < "\u0250" or "\u1e00" <= one < "\u1f00" else one for one in text
        ]
        text = "".join(one for one in "".join(parts) if not "\u0300" <= one <= "\u036f")
        text = text.translate(str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"}))
    return " ".join(re.sub(r"[\W_]+", " ", text).split()) or None


@cache
def countries() -> dict[str, str]:
    """Folded spelling of a country → ISO 3166 alpha-2."""
    known = dict(_COUNTRIES)
    for language in (*_LANGUAGES, "en"):
        for code, name in Locale(language).territories.items():
            if re.fullmatch("[A-Z]{2}", code):
                known.setdefault(fold(name) or name, code)
    for one in pycountry.countries:
        names = (one.alpha_2, one.alpha_3, one.name, getattr(one, "official_name", ""), getattr(one, "common_name", ""))
        known.update({fold(name): one.alpha_2 for name in names if name})
    return known


@cache
def regions(country: str) -> tuple[dict[str, str], dict[str, str]]:
    """Of a country: folded spelling → code of a province or state, and code → its name."""
    parts = sorted(
        pycountry.subdivisions.get(country_code=country) or [], key=lambda one: (one.parent_code or "", one.code)
    )
    catalogues = [
        gettext.translation("iso3166-2", pycountry.LOCALES_DIR, languages=[language], fallback=True)
        for language in ("en", "zh_CN", *_LANGUAGES[1:])
    ]
    own = gettext.translation(
        "iso3166-2", pycountry.LOCALES_DIR, languages=[_OWN_LANGUAGE.get(country, "")], fallback=True
    )
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for one in parts:
        short = one.code.partition("-")[2]
        names[one.code] = own.gettext(one.name)
        spellings = [one.name, one.code, short, *(catalogue.gettext(one.name) for catalogue in catalogues)]
        if country == "CN":
            chinese = _CHINA[short].split()
            names[one.code] = chinese[0]
            spellings += chinese
        spellings += [one.lower().translate(_UMLAUTS) for one in spellings]
        for written in spellings:
            for text in {fold(written), _plain_region(written)} - {None, ""}:
                codes.setdefault(text, one.code)
    for written, short in _OTHER_NAMES.get(country, {}).items():
        codes[fold(written)] = f"{country}-{short}"
    return codes, names


def _plain_region(text: str) -> str:
    folded = fold(text) or ""
    return _KINDS_OF_REGION.sub("", folded) or folded


def find_region(text: str, country: str) -> str | None:
    """A province or state as its country writes it; None where the country has none of this name."""
    codes, names = regions(country)
    code = codes.get(fold(text) or "") or codes.get(_plain_region(text))
    return names[code] if code else None


def split_form(company: str) -> tuple[str, str]:
    """The name of a company without its legal form, and the form as it is usually written, empty where it has none."""
    company = tidy(company)
    for written in _LEADING_FORMS:
        if company.startswith(written) and len(company) > len(written):
            return company.removeprefix(written).strip(), _FORM_OF[written]
    for written in sorted((one for one in _FORM_OF if not one.isascii()), key=len, reverse=True):
        if company.endswith(written) and len(company) > len(written):
            return company.removesuffix(written).strip(), _FORM_OF[written]
    words = company.split()
    for n in range(min(_LONGEST_FORM, len(words) - 1), 0, -1):
        written = re.sub(r"[.\s]", "", " ".join(words[-n:])).casefold()
        if written in _FORM_OF:
            return " ".join(words[:-n]).rstrip(","), _FORM_OF[written]
    return company, ""
