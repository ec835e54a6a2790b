"""The words of the sample company: its channels, people, places, assortment and contracts, with how often and how dear
they are, and how they are drawn and spelled."""

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


def draw_by_share(rng: np.random.Generator, shares: dict[str, float], n: int) -> np.ndarray:
    return rng.choice(np.array(list(shares), dtype=object), n, p=list(shares.values()))
