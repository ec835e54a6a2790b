"""What columns, values and tables are called, in eight languages: a table of words, and how a name is taken apart by it.

A name such as ``InvoiceDate``, ``Rechnungsdatum`` or ``下单时间`` becomes tags (``invoice date``); ``COLUMNS`` says which tags
mean which canonical column. Words are written folded: small letters, without accents.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

# Tag → words in English, Chinese, Japanese, German, French, Spanish, Portuguese and Turkish.
_WORDS = {
    "order": """order orders ordered purchase purchases purchased basket cart receipt transaction transactions trans txn checkout
        订单 訂單 下单 下單 单据 單據 交易 流水 小票 购买 購買 消费 消費 单 單 注文 受注 購入 取引 伝票 レシート 買上 bestell bestellung
        bestellungen auftrag auftrage auftrags kauf kaufe bon beleg commande commandes achat achats pedido pedidos compra compras
        orden ordem encomenda transaccion transacao siparis siparisi siparisler alisveris islem fis""",
    "sales": """sales sale sold 销售 銷售 売上 販売 verkauf verkaufs vente ventes venta ventas venda vendas satis satislar""",
    "invoice": """invoice invoices bill billing 发票 發票 账单 帳單 請求 請求書 インボイス rechnung rechnungen rechnungs faktura
        facture factures factura facturas fatura faturas""",
    "customer": """customer customers cust client clients buyer member members membership account accounts household user users
        consumer shopper subscriber 客户 客戶 顾客 顧客 会员 會員 用户 用戶 买家 買家 买方 得意先 お客様 お客さま 会員 ユーザー ユーザ
        購入者 取引先 kunde kunden kundin debitor mitglied kaufer kaeufer acheteur membre adherent cliente clientes comprador socio
        usuario associado musteri musterisi musteriler uye kullanici alici""",
    "product": """product products prod item items article articles sku goods merchandise upc ean gtin asin barcode 商品 产品 產品 宝贝
        货品 貨品 物料 製品 品目 アイテム artikel produkt produkte ware waren produit produits producto productos articulo articulos
        produto produtos artigo urun urunler malzeme""",
    "product id": "货号 貨號 款号 品番 型番",
    "customer name": "姓名 氏名",
    "product name": "品名 商品名 製品名",
    "stock": "stock stok",
    "contract": """contract contracts subscription subscriptions policy agreement 合同 合約 合约 协议 订阅 訂閱 契約 vertrag vertrage
        vertrags abo abonnement abonnements contrat contrats contrato contratos suscripcion assinatura sozlesme abonelik""",
    "campaign": """campaign campaigns mailing 活动 活動 营销 營銷 促销 キャンペーン 施策 kampagne kampagnen campagne campana campanha
        kampanya""",
    "ticket": """ticket tickets case cases call calls inquiry enquiry interaction interactions incident conversation 工单 工單 来电
        通话 咨询 问合せ 問合せ 問い合わせ 問合 対応 anfrage anfragen anruf anrufe fall appel demande llamada incidencia caso chamado
        atendimento cagri talep""",
    "contact": "contact contacts contacted 接触 kontakt contacto contato iletisim",
    "deal": """opportunity opportunities deal deals lead leads pipeline 商机 商機 机会 商談 案件 verkaufschance chance chancen
        opportunite oportunidad oportunidade firsat""",
    "review": """review reviews comment comments feedback survey complaint complaints 评论 評論 评价 評價 点评 留言 反馈 投诉 レビュー
        口コミ クチコミ 感想 コメント rezension rezensionen kommentar avis commentaire resena opinion comentario avaliacao yorum""",
    "employee": """salesperson salesman seller agent agents rep representative employee staff clerk cashier owner 销售员 业务员 業務員
        员工 客服 店员 负责人 经办人 担当 担当者 営業担当 店員 verkaufer verkaeufer mitarbeiter vertreter bearbeiter vendeur employe
        vendedor agente empleado atendente funcionario satici temsilci calisan personel""",
    "id": """id ids no nos nr num number code key nummer nummern kennung n numero cod codigo ref reference identifiant identifier uuid
        guid kod kodu numara numarasi 编号 編號 号 號 号码 號碼 代码 代碼 编码 編碼 番号 コード ナンバー""",
    "customer id": "会员名 用户名 昵称 username login",
    "order id": "单号 單號 单据号 流水号",
    "name": "name names nom nombre nome ad adi isim bezeichnung 名称 名稱 名 名字 名前 libelle titulo title titel",
    "description": "description desc beschreibung descripcion descricao aciklama designation 描述 说明 説明",
    "date": """date dates dt day datum tag jour fecha dia data tarih tarihi gun zeit time timestamp datetime heure hora saat zeitpunkt
        when at on 日期 时间 時間 日 日時 日付 年月日 时刻 時刻""",
    "amount": """amount amounts amt value total totals sum revenue turnover spend spent subtotal charge charges fee fees net gross
        金额 金額 总额 總額 合计 合計 实付 实收 销售额 銷售額 消费额 总价 總價 额 小计 小計 营业额 费 费用 应收 应付 應收 應付 货款 売上高 売上金額 代金 料金
        betrag umsatz summe gesamt gesamtbetrag wert erlos gebuhr gebuhren beitrag montant total valeur ca chiffre affaires frais
        importe monto valor ingresos cuota receita montante tutar tutari toplam ciro bedel ucret netto brutto""",
    "price": """price prices 单价 單價 价格 價格 售价 售價 単価 価格 値段 preis einzelpreis stuckpreis stueckpreis prix pu tarif precio preco
        fiyat fiyati birimfiyat birimfiyati""",
    "unit": "unit einzel unitaire unitario unitaria birim each per 单 单位",
    "quantity": """quantity quantities qty units pieces pcs volume count 数量 數量 件数 個数 点数 销量 销售量 台数 menge anzahl stuckzahl
        stueckzahl stuck stueck quantite qte nb cantidad cant unidades quantidade qtd qtde miktar adet adedi""",
    "cost": "cost costs cogs kosten cout costo coste custo maliyet 成本 原価 进价 einkaufspreis",
    "profit": """profit margin gewinn marge rohertrag deckungsbeitrag benefice margen beneficio lucro margem kar 利润 利潤 毛利
        利益 粗利""",
    "list": "list listen catalogue catalog katalog liste 标价 定価 原价",
    "discount": "discount disc rabatt remise descuento desconto indirim iskonto 折扣 优惠 割引 値引",
    "tax": "tax vat mwst ust tva iva imposto kdv steuer 税 税额 税金 消費税",
    "ship": """ship shipping shipped delivery delivered freight versand liefer lieferung livraison expedition envio entrega kargo
        teslimat sevk 发货 發貨 配送 运费 送货 出荷 発送 配達 送料""",
    "currency": "currency wahrung waehrung devise moneda moeda doviz 币种 货币 通貨 幣別",
    "due": "due fallig faellig falligkeit falligkeits faelligkeits echeance vencimiento vencimento vade 到期 支払期限 期日 期限",
    "paid": """paid payment payments pay settled settlement zahlung zahlungs bezahlt paiement paye regle pago pagado pagos pagamento
        odeme odenen 付款 支付 已付 入金 支払 结清 結清 回款 到账""",
    "start": "start started starts begin beginn debut inicio baslangic baslama 开始 開始 起始 生效 ab from",
    "end": """end ended ends ending ende until fin termino fim bitis 结束 結束 终止 終了 到期日 cancel cancelled canceled cancellation
        churn churned terminated termination expiry expiration kundigung gekundigt kuendigung gekuendigt resiliation resilie baja
        cancelamento iptal 取消 解約 退会 流失 exited attrition""",
    "signup": """signup registered registration register joined join joining created creation since signed enrolled enrollment
        anmeldung registrierung angelegt seit inscription adhesion registro alta cadastro kayit kayitli uyelik 注册 註冊 入会 加入
        登録 开户 建档 创建 建立 作成""",
    "birth": "birth born dob birthday geburt geburts geburtstag naissance nacimiento nascimento dogum 出生 生日 生年 誕生 生年月日",
    "year": "year years yr jahr annee ano yil 年",
    "month": "month months monat monate mois mes meses ay 月 months",
    "tenure": "tenure 在网 在籍 vertragsdauer laufzeit anciennete antiguedad",
    "monthly": "monthly monatlich monatliche monats mensuel mensual mensal aylik 每月 月額 月租 月费",
    "status": "status zustand estado durum durumu statut situacao 状态 狀態 ステータス 状況",
    "state": "state",
    "stage": "stage phase etapa fase asama etape 阶段 階段 フェーズ ステージ",
    "reason": "reason grund motif motivo neden nedeni sebep raison 原因 理由",
    "rating": """rating ratings score stars star bewertung bewertungen puntuacion calificacion nota note puan label 评分 評分 打分 星级
        评级 满意度 評価 満足度""",
    "text": "text body content message texte texto metin 内容 內容 正文 本文 inhalt",
    "topic": "topic subject thema betreff sujet asunto assunto konu 主题 主題 件名 问题",
    "category": """category cat categories kategorie kategorien categorie categoria kategori 类别 類別 分类 品类 类目 カテゴリ
        カテゴリー 分類""",
    "type": "type types typ tipo tur turu 类型 類型 種類 種別 区分 kind vorgangsart belegart",
    "channel": "channel channels kanal vertriebskanal canal kanali 渠道 管道 チャネル チャンネル 販路 通路 platform plattform 平台",
    "region": "region gebiet area territory province bolge provincia regiao 地区 地區 区域 區域 大区 省份 省 地域 エリア 都道府県",
    "country": "country countries land pays pais ulke ulkesi 国家 國家 国",
    "city": "city town suburb stadt ort ville ciudad cidade sehir ilce 城市 市 市区町村",
    "store": "store stores shop filiale sucursal laden magasin tienda loja magaza sube 门店 店铺 門市 分店 店舗 店",
    "street": "street address addr adresse strasse rue direccion calle endereco rua adres adresi 地址 住所 anschrift hausnummer",
    "postcode": "postcode postal zip zipcode plz postleitzahl cp cep 邮编 郵便番号 邮政编码",
    "phone": "phone mobile tel telephone cellphone telefon handy telefono celular telefone telefonu 电话 電話 手机 手機 携帯 fax cep",
    "email": "email mail emails courriel correo eposta 邮箱 電子郵件 メール メールアドレス 电子邮件",
    "given": "first given forename vorname prenom",
    "family": "last surname family nachname apellido apellidos sobrenome soyad soyadi 姓",
    "company": "company firm firma firmen entreprise societe empresa sirket unternehmen 公司 企业 会社 会社名 法人 organisation organization",
    "person": "ssn soc sec social passport nif cpf cnpj tckn 身份证 身分證 マイナンバー siret steuernummer vatid",
    "won": "won win gewonnen gagne ganado ganho kazanildi 赢单",
    "lost": "lost lose verloren perdu perdido kaybedildi 输单 失注",
    "arm": "arm variant treatment testgroup testgruppe experiment gruppe 实验组 分组 segment group",
    "control": "control kontroll kontrollgruppe temoin 对照",
    "response": "response responded visit visited click clicked opened reaktion reagiert reponse respuesta resposta 响应 点击 反応",
    "convert": "conversion converted convert bought konversion 转化",
    "dispute": "dispute disputed contestada contestado contestee bestritten strittig reklamation litige disputa 争议 異議",
    "answer": "answered answer reply replied beantwortet 応答 回复 初回対応",
    "close": "resolved resolution resolve solved close closed closing abgeschlossen geschlossen gelost geloest erledigt behoben cloture cerrado 解決 解决 完成 完了 关闭",
    "open": "open opened engage engaged eroffnet erstellt ouverture apertura 受付 提交 创建",
    "return": "return returned returns refund retoure retouren storno gutschrift ruckgabe avoir retour devolucion iade 退货 退款 返品",
    "line": "line row position pos zeile ligne linea linha satir 行 行号 明細 明细",
    "marital": "marital civil familienstand 婚姻",
    "gender": "gender sex geschlecht genre genero sexo cinsiyet 性别 性別",
    "age": "age alter edad idade yas 年龄 年齢",
    "level": "level tier grade stufe niveau nivel seviye 等级 等級 级别 ランク",
    "brand": "brand marke marque marca 品牌 ブランド",
    "colour": "colour color farbe couleur cor renk 颜色 顏色 色",
    "size": "size grosse groesse taille talla tamanho beden 尺寸 尺码 サイズ",
    "industry": "industry sector branche secteur setor sektor 行业 業種",
    "plan": "plan プラン 套餐 paket package paquete tarifa",
    "job": "job occupation profession beruf metier profesion meslek 职业 職業",
    "": """of am um the de des du la le les el los der die das den von fur fuer for in to a an and und et y da do dos d l e o our unique rec
        record の 之 的 お 联系 联络""",
}
_LATIN = re.compile(r"[a-z0-9]")
# What may stand between the parts of a German compound.
_JOINTS = ("s", "n", "en", "es", "e")
# Words of two letters that may be part of a longer one, as in kundennr; others are words only by themselves.
_SHORT = ("id", "nr", "no")
# Tags of which each by itself changes what a name means: a due date is no order's date.
_CHANGES = frozenset(
    "due paid start end signup birth ship tax discount cost profit list return line control currency answer close open month year"
    " person won lost status type reason phone email street name store contact store week currency".split()
)
_ENTITIES = frozenset("order sales invoice customer product contract campaign ticket deal review employee".split())

# Table → canonical column → the tags that mean it, best first; a column of fewer words than these may be another thing.
_ORDER_COLUMNS = {
    "order_id": "order id|invoice id|sales id|order|invoice|ticket id|id",
    "customer_id": "customer id|customer|customer company|company id|company",
    "ordered_at": "order date|sales date|invoice date|date|order signup date|signup date|order paid date|paid date",
    "quantity": "quantity",
    "profit_amount": "profit amount|profit",
    "region": "region|country|state|customer region|city",
    "channel": "channel|store|store name|store id|order channel",
    "salesperson": "employee|employee name|sales employee|employee id",
    "currency": "currency|order currency",
}
COLUMNS = {
    "order_lines": {
        **_ORDER_COLUMNS,
        "product_id": "product id|stock id|product|product name|product description|description",
        "unit_price": "unit price|price|product price|unit amount",
        "line_amount": "line amount|sales amount|amount|sales|product amount|order amount|invoice amount|line price|paid amount",
    },
    "orders": {
        **_ORDER_COLUMNS,
        "order_amount": "order amount|sales amount|invoice amount|amount|sales|paid amount|price",
    },
    "customers": {
        "customer_id": "customer id|customer|id|company id|company|customer name",
        "signed_up_date": "signup date|customer signup date|customer date|start date|signup|open date|date",
    },
    "products": {
        "product_id": "product id|stock id|product|id",
        "product_name": "product name|name|product description|description|product|product category type|product type|product text",
        "list_price": "list price|price|unit price|sales price|product price",
        "unit_cost": "unit cost|cost|product cost|cost price",
    },
    "contracts": {
        "contract_id": "contract id|contract|id",
        "customer_id": "customer id|customer|company id|company",
        "started_date": "start date|contract start date|contract start|start|contract date|signup date",
        "ended_date": "end date|contract end date|contract end|end",
        "tenure_months": "tenure month|tenure|contract month",
        "is_ended": "end|end rating|customer end|end status|status",
        "end_reason": "end reason|reason",
        "monthly_amount": "monthly amount|month amount|monthly price|amount|price",
        "total_amount": "amount",
    },
    "payments": {
        "invoice_id": "invoice id|invoice|id",
        "customer_id": "customer id|customer|company id|company",
        "order_id": "order id|order",
        "invoiced_date": "invoice date|date|order date",
        "due_date": "due date|due|paid due date",
        "paid_date": "paid date|close date|paid",
        "invoice_amount": "invoice amount|amount|order amount",
        "is_disputed": "dispute",
    },
    "interactions": {
        "interaction_id": "ticket id|contact id|ticket|id",
        "customer_id": "customer id|customer",
        "opened_at": "open date|ticket date|signup date|start date|open|ticket open date|contact date|date|ticket signup date",
        "answered_at": "answer date|response date|answer",
        "resolved_at": "close date|end date|close|ticket close date",
        "channel": "channel|ticket channel|contact channel",
        "topic": "topic|category|type|ticket type|ticket topic|reason|ticket category",
        "employee": "employee|employee name|employee id",
    },
    "opportunities": {
        "opportunity_id": "deal id|deal|id",
        "customer_id": "customer id|customer|company|company name|customer name",
        "product_id": "product id|product|product name",
        "stage": "stage|deal stage|sales stage|status|deal status",
        "opened_date": "open date|signup date|start date|deal date|date",
        "closed_date": "close date|end date|won date",
        "opportunity_amount": "deal amount|close amount|amount|sales amount|order amount",
        "salesperson": "sales employee|employee|employee name",
    },
    "feedback": {
        "feedback_id": "review id|rating id|id",
        "customer_id": "customer id|customer",
        "product_id": "product id|product|product name",
        "given_at": "review date|date|signup date",
        "rating": "rating|review rating|customer rating",
        "topic": "topic|category|type",
        "feedback_text": "review text|review|text|review description",
    },
    "campaigns": {
        "campaign_id": "campaign id|campaign|id",
        "campaign_name": "campaign name|name|campaign description|description",
        "channel": "channel|campaign channel",
        "started_date": "start date|campaign start date|campaign date|date",
        "ended_date": "end date|campaign end date",
        "cost_amount": "cost amount|cost|campaign cost",
    },
    "campaign_contacts": {
        "campaign_id": "campaign id|campaign|campaign name",
        "customer_id": "customer id|customer",
        "contacted_date": "contact date|campaign date|date",
        "arm": "arm|campaign arm|control arm|campaign type",
        "is_control": "control",
        "is_responded": "response",
        "is_converted": "convert|order",
        "response_amount": "response amount|amount|order amount|sales amount",
    },
}
# What personal data are called: they go into the customers' ``identity``, never among the attributes.
IDENTITY = {
    "given_name": "given name|given",
    "surname": "family name|family",
    "customer_name": "customer name|name",
    "company_name": "company name|company|customer company name",
    "email": "email|customer email|email street",
    "phone": "phone|phone id|customer phone",
    "street": "street|customer street|street id",
    "postcode": "postcode|postcode id|customer postcode",
    "city": "city|customer city",
    "region": "state|region|customer region",
    "country": "country|country id",
    "birth_date": "birth date|birth|birth date",
    "personal_number": "person id|person|tax id",
}
# Of these only few values are no person: they may be attributes too.
SHARED_PLACES = ("city", "region", "country")
# Table → tags in the name of its file or sheet.
TABLE_NAMES = {
    "order_lines": "order sales line", "orders": "order sales", "customers": "customer", "products": "product",
    "contracts": "contract", "payments": "invoice paid", "interactions": "ticket contact", "opportunities": "deal",
    "feedback": "review rating", "campaigns": "campaign", "campaign_contacts": "campaign contact response",
}  # fmt: skip

YES = frozenset("yes y true t 1 ja j oui o si sim s evet e 是 有 はい 真 ○ ✓ x".split())
NO = frozenset("no n false f 0 nein non nao não hayir h 否 无 無 いいえ 偽 × -".split())
RETURNS = frozenset(
    """return returned returns refund refunded credit retoure storno gutschrift ruckgabe avoir retour remboursement devolucion
    reembolso devolucao estorno iade 退货 退貨 退款 返品 返金 赤伝""".split()
)
TOTALS = frozenset(
    """total totals grand sum gesamt summe gesamtsumme somme totaux suma totales soma toplam geneltoplam subtotal 合计 合計 总计 總計
    小计 小計 総計 总额""".split()
)
WON, LOST = (
    frozenset("won win closedwon gewonnen gagne ganado ganho ganada kazanildi 赢单 成交 受注 成約".split()),
    frozenset("lost closedlost verloren perdu perdido perdida kaybedildi 输单 失注 丢单".split()),
)
CONTROL = frozenset("control kontroll kontrollgruppe temoin holdout none no kontrol 对照 对照组 無".split())
MONTHS = {
    word: number
    for number, words in enumerate(
        """jan january januar janvier janv enero ene janeiro ocak|feb february februar fevrier fevr febrero fevereiro fev subat
        |mar march marz maerz mrz mars marzo marco mart|apr april avril avr abril abr nisan|may mai mayo maio mayis
        |jun june juni juin junio junho haziran|jul july juli juillet juil julio julho temmuz
        |aug august aout agosto ago agustos|sep sept september septembre septiembre setembro set eylul
        |oct october oktober okt octobre octubre outubro out ekim|nov november novembre noviembre novembro kasim
        |dec december dezember dez decembre diciembre dic dezembro aralik""".split("|"),
        1,
    )
    for word in words.split()
}


class Tags(NamedTuple):
    """A name taken apart: what each of its words can mean, and how many of them are not known."""

    parts: tuple[frozenset[str], ...]
    n_unknown: int

    @property
    def tags(self) -> frozenset[str]:
        return frozenset().union(*self.parts)


def fold(text: str) -> str:
    """Small letters of one width, Latin ones without accents."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("ı", "i")
    plain = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", plain)


def words_of(text: str) -> list[str]:
    """A name's words, folded: ``InvoiceNo`` is two."""
    text = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", unicodedata.normalize("NFKC", text))
    return re.findall(r"[^\W\d_]+|\d+", fold(text))


def has_word(text: str, words: frozenset[str]) -> bool:
    """Whether one of the words stands in a text, or begins it in a script without blanks between words."""
    found = words_of(text)
    return bool(words & {*found, "".join(found)}) or any(
        fold(text).startswith(word) for word in words if not _LATIN.match(word)
    )


@cache
def _vocabulary() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for tags, words in _WORDS.items():
        for word in words.split():
            found.setdefault(fold(word), set()).update(tags.split())
    return {word: frozenset(tags) for word, tags in found.items()}


@cache
def tags_of(name: str) -> Tags:
    """What a column's name says."""
    words = words_of(name)
    if len(words) > 2 and words[0] in ("number", "num", "no") and words[1] == "of":
        return Tags((frozenset({"quantity"}),), 0)
    found: list[frozenset[str]] = []
    n_unknown = 0
    for word in words:
        parts, n_left = _take_apart(word)
        found += [tags for part in parts if (tags := _vocabulary()[part])]
        n_unknown += n_left
    return Tags(tuple(dict.fromkeys(found)), n_unknown)


@cache
def _take_apart(word: str) -> tuple[tuple[str, ...], int]:
    """A word as the fewest known words, and how much is left: all of it must be known, save for joints; in a script without
    blanks other characters may stand between, of which two in a row are a word that is not known."""
    known = _vocabulary()
    if word in known:
        return (word,), 0
    is_latin = bool(_LATIN.match(word))
    # For each end: how little is known so far, the parts, and the characters left over as they stand.
    best: list[tuple[int, tuple[str, ...], str] | None] = [(0, (), "")] + [None] * len(word)
    for end in range(1, len(word) + 1):
        options = []
        for begin in range(end):
            if best[begin] is None:
                continue
            cost, parts, left = best[begin]
            piece = word[begin:end]
            if piece in known and (not is_latin or len(piece) > 2 or piece in _SHORT):
                options.append((cost + 1, (*parts, piece), f"{left} "))
            elif is_latin and piece in _JOINTS and parts and end < len(word):
                options.append((cost + 1, parts, left))
            elif not is_latin and len(piece) == 1:
                options.append((cost + 3, parts, left + piece))
        best[end] = min(options, default=None, key=lambda one: one[0])
    if best[-1] is None or not best[-1][1]:
        return (), 1
    return best[-1][1], sum(len(one) > 1 for one in best[-1][2].split())


def likeness(name: str, meanings: str) -> float:
    """How well a column's name fits (0 to 1) what its tags may be: the best of the alternatives, less what the name says
    besides."""
    parts, n_unknown = tags_of(name)
    tags = frozenset().union(*parts)
    found = 0.0
    for place, meaning in enumerate(meanings.split("|")):
        wanted = frozenset(meaning.split())
        if not wanted <= tags:
            continue
        # A bare number is of whatever thing the name says, and of no other.
        of_entity = 0.5 if meaning == "id" else 0.15
        less = 0.0
        for part in parts:
            if not part & wanted:
                less += min(0.6 if one in _CHANGES else of_entity if one in _ENTITIES else 0.3 for one in part)
        certain = (1 if len(wanted) > 1 or meaning not in ("id", "date", "name") else 0.6) - 0.04 * place
        found = max(found, certain - less - min(0.2 * n_unknown, 0.5))
    return found
