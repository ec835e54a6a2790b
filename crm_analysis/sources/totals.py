"""Lines that sum up the lines above them, as exports for people have: how they say so."""

from __future__ import annotations

import re

# The whole text of a cell, whatever its case; of Chinese and Japanese with or without blanks between the characters.
_WORDS = (
    # English, German, Dutch
    *("total", "totals", "grand total", "grand totals", "sub total", "subtotal", "sub-total", "overall total", "sum"),
    *("net total", "gross total", "page total", "report total", "sum total", "total amount", "total sales"),
    *("summe", "gesamt", "gesamtsumme", "gesamtbetrag", "zwischensumme", "endsumme", "insgesamt"),
    *("totaal", "subtotaal", "eindtotaal", "totaal generaal"),
    # French, Spanish, Portuguese, Italian, Romanian
    *("total général", "total general", "sous-total", "sous total", "totaux", "somme"),
    *("suma", "suma total", "total geral", "soma", "totale", "totale generale", "subtotale", "somma", "totali"),
    # Swedish, Norwegian, Danish, Finnish
    *("summa", "totalt", "total sum", "totalsumma", "delsumma", "i alt", "yhteensä", "välisumma"),
    # Polish, Czech, Slovak, Hungarian, Russian, Ukrainian, Greek, Turkish
    *("razem", "ogółem", "łącznie", "suma końcowa", "celkem", "součet", "mezisoučet", "spolu", "súčet", "összesen"),
    *("итого", "всего", "сумма", "общий итог", "промежуточный итог", "разом", "всього", "σύνολο", "γενικό σύνολο"),
    *("toplam", "genel toplam", "ara toplam"),
    # Arabic, Hebrew, Vietnamese, Indonesian
    *("المجموع", "الإجمالي", "الاجمالي", 'סה"כ', "סך הכל", "tổng", "tổng cộng", "jumlah", "subjumlah"),
    *(
        "合计",
        "合計",
        "总计",
        "總計",
        "小计",
        "小計",
        "总和",
        "共计",
        "共計",
        "汇总",
        "总额",
        "累计",
        "本页合计",
        "本页小计",
    ),
    *("計", "総計", "総合計", "中計", "合計金額", "합계", "총계", "소계", "총합계"),
)
_EDGE = "[\\s\u00a0\u3000:：.*=—–-]*"
_IS_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def _pattern(word: str) -> str:
    return "[\\s\u3000]*".join(word) if _IS_UNSPACED.fullmatch(word) else re.escape(word)


_ANY = "|".join(_pattern(word) for word in sorted(_WORDS, key=len, reverse=True))
_CELL = f"{_EDGE}(?:{_ANY}){_EDGE}"
# A cell, and one of several cells that a line break joins: for Python's regular expressions and the engine's alike.
TOTAL_CELL = f"(?i)^{_CELL}$"
TOTAL_AMONG_CELLS = f"(?i)(?:^|\n){_CELL}(?:\n|$)"


def is_total(cells: list[str]) -> bool:
    """Whether a record that lacks cells is such a line."""
    return any(re.match(TOTAL_CELL, cell) for cell in cells)
