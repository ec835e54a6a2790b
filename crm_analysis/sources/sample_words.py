"""The words of the sample company: its channels, people, places, assortment, contracts and remarks, with how often and how
dear they are, and how they are drawn and spelled."""

from __future__ import annotations

import numpy as np

CHANNELS = {"Web": 0.55, "Store": 0.35, "Phone": 0.10}
SALESPEOPLE = {"Web": [""], "Store": ["Holm", "Conti", "Baker", "Lis"], "Phone": ["Brandt", "Roy"]}
ACQUISITION_CHANNELS = {"Search": 0.34, "Social": 0.22, "Store": 0.20, "Friend": 0.14, "Fair": 0.10}
# Region: share of customers, cities, given names, surnames.
REGIONS = {
    "Bayern": (
        0.18,
        "München Nürnberg Augsburg",
        "Anna Lukas Sophie Jürgen Lena Felix Käthe Max Birgit Uwe",
        "Huber Müller Wagner Bauer Schäfer Vogel Lang Gruber Weiß Brandl",
    ),
    "Holland": (
        0.15,
        "Amsterdam Haarlem Alkmaar",
        "Sanne Daan Fleur Bram Lotte Sem Anouk Joris Noor Teun",
        "Visser Bakker Mulder Smit Dekker Bos Kok Jansen Prins Blom",
    ),
    "Scotland": (
        0.14,
        "Edinburgh Glasgow Dundee",
        "Isla Ewan Fiona Callum Ailsa Hamish Morag Rory Ian Una",
        "Campbell Fraser Murray Reid Ross Stewart Boyd O'Hara Kerr Innes",
    ),
    "Bretagne": (
        0.12,
        "Rennes Brest Quimper",
        "Anaïs Loïc Maëlle Yann Chloé Hugo Léa Erwan Noémie Gaël",
        "Morvan Kerjean Tanguy Riou Guéguen Prigent Caradec Moreau Rolland Hervé",
    ),
    "Toscana": (
        0.11,
        "Firenze Siena Lucca",
        "Giulia Matteo Chiara Luca Elisa Dario Marta Paolo Niccolò Ida",
        "Rossi Bianchi Conti Galli Ricci Moretti Fabbri Serra Lippi Neri",
    ),
    "Skåne": (
        0.10,
        "Malmö Lund Ystad",
        "Astrid Björn Elsa Nils Maja Åke Freja Oskar Signe Göran",
        "Lindqvist Åberg Nyström Holm Ek Sjögren Dahl Öberg Norén Falk",
    ),
    "Andalucía": (
        0.08,
        "Sevilla Málaga Granada",
        "Lucía Álvaro Carmen Íñigo Pilar Javier Inés Pablo Ana Leo",
        "García Núñez Ortega Ramos Peña Vega Molina Cano Ibáñez Soto",
    ),
    "Mazowsze": (
        0.07,
        "Warszawa Płock Radom",
        "Zofia Jan Jagoda Paweł Agata Łukasz Ewa Piotr Iga Adam",
        "Nowak Wójcik Zieliński Król Wrona Sikora Żak Gałązka Mazur Dąbek",
    ),
    "上海": (
        0.05,
        "浦东 静安 徐汇",
        "芳 伟 秀英 敏 静 磊 洋 艳 建国 雨欣 子涵 思远",
        "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙",
    ),
}

# Department, category, its materials, and its subcategories with their usual price in EUR.
ASSORTMENT = (
    ("Living", "Textiles", "Linen Wool Cotton", {"Cushion": 29, "Throw": 59, "Curtain": 69, "Rug": 129}),
    ("Living", "Lighting", "Brass Glass", {"Table Lamp": 79, "Pendant": 99, "Floor Lamp": 139, "Shade": 35}),
    ("Living", "Decoration", "Ceramic Glass Rattan", {"Vase": 32, "Mirror": 89, "Frame": 19, "Bowl": 27}),
    ("Kitchen", "Tableware", "Stoneware Porcelain", {"Plate": 16, "Mug": 12, "Dish": 38, "Jug": 29}),
    ("Kitchen", "Cookware", "Steel Enamel", {"Casserole": 89, "Pan": 59, "Kettle": 49, "Baking Tin": 22}),
    ("Kitchen", "Table Linen", "Linen Cotton", {"Napkin": 7, "Tablecloth": 49, "Tea Towel": 9, "Apron": 32}),
    ("Bedroom", "Bedding", "Cotton Linen", {"Duvet Cover": 89, "Pillowcase": 19, "Sheet": 45, "Quilt": 119}),
    ("Bedroom", "Bath", "Cotton Bamboo", {"Towel": 18, "Bath Mat": 29, "Bathrobe": 69, "Wash Bag": 22}),
    ("Bedroom", "Storage", "Rattan Oak Felt", {"Basket": 34, "Box": 22, "Shelf": 79, "Hook Rail": 39}),
    ("Garden", "Outdoor", "Teak Acacia", {"Bench": 249, "Chair": 89, "Side Table": 119, "Bird House": 29}),
    ("Garden", "Planting", "Terracotta Zinc", {"Pot": 15, "Planter": 45, "Watering Can": 29, "Trellis": 35}),
    ("Garden", "Candles", "Beeswax Soy", {"Candle": 12, "Scented Candle": 24, "Tea Light": 6, "Torch": 14}),
)
PRODUCTS_PER_SUBCATEGORY = 5
COLOURS = ("Navy", "White", "Sand", "Sage", "Rust", "Charcoal", "Mustard", "Blush", "Sky", "Pine")
PATTERNS = ("Plain", "Plain", "Plain", "Plain", "Striped", "Checked", "Floral", "Geometric")
BRAND_PRICE_LEVELS = {
    "Harbour & Pine": 1.0,
    "Fjordly": 1.2,
    "Maison Lune": 1.5,
    "Oak & Ember": 1.1,
    "Bottega Mare": 1.4,
    "Nordlys": 0.9,
    "Petit Port": 0.8,
    "Tessuto": 1.0,
}

# Of contracts: how often each value is chosen; by what it multiplies the hazard of ending; the fee in cents; the shares of
# the reasons. The plans differ in fee and reasons, so that the reasons rank otherwise by customers than by money.
CONTRACT_ATTRIBUTES = {
    "Plan": {"Basic": 0.55, "Standard": 0.30, "Premium": 0.15},
    "Payment Method": {"Direct debit": 0.60, "Card": 0.25, "Invoice": 0.15},
    "Billing": {"Monthly": 0.70, "Yearly": 0.30},
}
HAZARD_FACTORS = {
    "Payment Method": {"Direct debit": 1.0, "Card": 1.5, "Invoice": 2.2},
    "Billing": {"Monthly": 1.0, "Yearly": 0.5},
}
MONTHLY_FEES = {"Basic": 500, "Standard": 1000, "Premium": 3000}
END_REASONS = {
    "Basic": {
        "Not used": 0.34,
        "Payment failed": 0.20,
        "Moved": 0.16,
        "Too expensive": 0.10,
        "Service": 0.08,
        "Quality": 0.06,
        "Competitor": 0.06,
    },
    "Standard": {
        "Not used": 0.22,
        "Payment failed": 0.14,
        "Moved": 0.16,
        "Too expensive": 0.20,
        "Service": 0.10,
        "Quality": 0.10,
        "Competitor": 0.08,
    },
    "Premium": {
        "Not used": 0.04,
        "Payment failed": 0.04,
        "Moved": 0.10,
        "Too expensive": 0.40,
        "Service": 0.10,
        "Quality": 0.12,
        "Competitor": 0.20,
    },
}

# How telephone numbers and postcodes of a region are written: # is a digit, @ a letter; the seven digits after the area code are
# the customer's own.
CONTACT_FORMS = {
    "Bayern": ("+49", "89", "8####"),
    "Holland": ("+31", "20", "10## @@"),
    "Scotland": ("+44", "131", "EH# #@@"),
    "Bretagne": ("+33", "2", "35###"),
    "Toscana": ("+39", "055", "50###"),
    "Andalucía": ("+34", "95", "41###"),
    "Skåne": ("+46", "40", "2## ##"),
    "Mazowsze": ("+48", "22", "0#-###"),
    "上海": ("+86", "21", "200###"),
}
REMARK_LANGUAGES = {"Bayern": "de", "上海": "zh"}
# Topic, language: what is said by those who complain, and by those who praise.
REMARKS = {
    "Product": {
        "en": (
            (
                "The colour faded after two washes",
                "Thinner than the pictures show",
                "Came scratched and smells of glue",
            ),
            ("Beautiful colour and solid work", "Looks even better than in the pictures", "Soft, warm and well made"),
        ),
        "de": (
            (
                "Die Farbe war nach zwei Wäschen ausgeblichen",
                "Dünner als auf den Bildern",
                "Zerkratzt und riecht nach Leim",
            ),
            ("Schöne Farbe und solide Arbeit", "Noch schöner als auf den Bildern", "Weich, warm und gut verarbeitet"),
        ),
        "zh": (
            ("洗了两次就褪色了", "比图片上薄很多", "有划痕，还有胶水味"),
            ("颜色很漂亮，做工扎实", "比图片上还好看", "柔软暖和，做工精细"),
        ),
    },
    "Delivery": {
        "en": (
            (
                "The parcel came a week too late",
                "The driver left the parcel in the rain",
                "Nobody told me about the delay",
            ),
            (
                "The parcel came a day early",
                "The driver carried it up the stairs",
                "Good news about the parcel every day",
            ),
        ),
        "de": (
            (
                "Das Paket kam eine Woche zu spät",
                "Der Fahrer ließ das Paket im Regen",
                "Niemand sagte etwas über die Verspätung",
            ),
            (
                "Das Paket kam einen Tag früher",
                "Der Fahrer trug es die Treppe hinauf",
                "Jeden Tag Nachricht über das Paket",
            ),
        ),
        "zh": (
            ("包裹晚到了一个星期", "快递员把包裹放在雨里", "没有人告诉我会晚到"),
            ("包裹提前一天就到了", "快递员帮忙搬上了楼", "每天都能查到包裹的位置"),
        ),
    },
    "Fault": {
        "en": (
            (
                "The lamp broke again after the repair",
                "Still no spare part for the broken handle",
                "A broken set and only excuses",
            ),
            ("The broken lamp was replaced at once", "The spare part fitted and came quickly", "Repaired like new"),
        ),
        "de": (
            (
                "Die Lampe war nach der Reparatur wieder kaputt",
                "Noch immer kein Ersatzteil",
                "Kaputte Ware und nur Ausreden",
            ),
            ("Die kaputte Lampe wurde sofort ersetzt", "Das Ersatzteil passte und kam schnell", "Repariert wie neu"),
        ),
        "zh": (
            ("修好的灯又坏了", "坏掉的把手一直没有配件", "东西坏了只会找借口"),
            ("坏的灯马上就换了", "配件合适，寄得也快", "修得跟新的一样"),
        ),
    },
    "Return": {
        "en": (
            ("Waiting for weeks for my refund", "The return label never came", "They refused to take it back"),
            (
                "The refund came within two days",
                "Sending it back was easy",
                "Exchanged for another size without trouble",
            ),
        ),
        "de": (
            (
                "Seit Wochen warte ich auf die Erstattung",
                "Das Rücksendeetikett kam nie",
                "Die Rücknahme wurde verweigert",
            ),
            (
                "Die Erstattung kam in zwei Tagen",
                "Die Rücksendung war einfach",
                "Ohne Umstände gegen andere Größe getauscht",
            ),
        ),
        "zh": (
            ("等退款等了好几个星期", "退货单一直没有收到", "商家拒绝退货"),
            ("两天就收到了退款", "退货很方便", "换尺寸一点都不麻烦"),
        ),
    },
    "Invoice": {
        "en": (
            (
                "The invoice was wrong three times",
                "Charged twice for one order",
                "A reminder for a bill that I had paid",
            ),
            (
                "The wrong invoice was corrected at once",
                "The bill is clear and complete",
                "They refunded the double charge",
            ),
        ),
        "de": (
            (
                "Die Rechnung war dreimal falsch",
                "Eine Bestellung doppelt abgebucht",
                "Mahnung trotz bezahlter Rechnung",
            ),
            (
                "Die falsche Rechnung wurde sofort berichtigt",
                "Klare und vollständige Rechnung",
                "Doppelte Abbuchung erstattet",
            ),
        ),
        "zh": (
            ("发票开错了三次", "一张订单扣了两次款", "已经付款还收到催款单"),
            ("开错的发票马上更正了", "账单清楚完整", "多扣的款很快退回"),
        ),
    },
    "Advice": {
        "en": (
            ("Nobody could say which rug fits", "Only standard sentences in the chat", "The advice was simply wrong"),
            ("Patient advice about the right size", "They knew every fabric", "The tip about the lamp was worth it"),
        ),
        "de": (
            (
                "Niemand konnte sagen, welcher Teppich passt",
                "Im Chat nur Standardsätze",
                "Die Beratung war schlicht falsch",
            ),
            ("Geduldige Beratung zur richtigen Größe", "Kennen jeden Stoff", "Der Tipp zur Lampe war Gold wert"),
        ),
        "zh": (
            ("没人说得清哪块地毯合适", "客服只会复制粘贴", "给的建议是错的"),
            ("耐心地帮我选尺寸", "对每种面料都很了解", "关于灯的建议很值"),
        ),
    },
}


def draw_by_share(rng: np.random.Generator, shares: dict[str, float], n: int) -> np.ndarray:
    return rng.choice(np.array(list(shares), dtype=object), n, p=list(shares.values()))
