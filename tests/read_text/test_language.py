"""Languages: told where it is certain, left open where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openbook.read.language import detect_language, language_code

TEXTS = {
    "am": "ትናንት ለቁርስ ዳቦና ወተት ለመግዛት ወደ ሱቅ ሄድን። ከዚያ በአትክልቱ ስፍራ አብረን በላን።",
    "ar": "ذهبنا أمس إلى المتجر لشراء الخبز والحليب للفطور. ثم أكلنا معا في الحديقة.",
    "bg": "Вчера отидохме до магазина, за да купим хляб и мляко за закуска. Времето беше хубаво.",
    "ca": "Ahir vam anar a la botiga a comprar pa i llet per a l'esmorzar. Després vam menjar al jardí.",
    "cs": "Potom jsme společně jedli na zahradě, protože bylo krásné počasí, a děti si hrály se psem.",
    "da": "I går gik vi ud for at købe brød. Hvad der blev tilbage efter turen, tog jeg med mig hjem.",
    "de": "Gestern gingen wir in den Laden, um Brot und Milch für das Frühstück zu kaufen.",
    "el": "Χθες πήγαμε στο μαγαζί για να αγοράσουμε ψωμί και γάλα για το πρωινό.",
    "en": "Yesterday we went to the shop to buy bread and milk for our breakfast in the garden.",
    "es": "Ayer fuimos a la tienda para comprar pan y leche para el desayuno en el jardín.",
    "fa": "دیروز برای خرید نان و شیر برای صبحانه به مغازه رفتیم. بعد با هم در باغ غذا خوردیم.",
    "fi": "Eilen menimme kauppaan ostamaan leipää ja maitoa aamiaiseksi, ja sitten söimme yhdessä.",
    "fr": "Hier nous sommes allés au magasin pour acheter du pain et du lait pour le petit déjeuner.",
    "he": "אתמול הלכנו לחנות לקנות לחם וחלב לארוחת הבוקר ואכלנו יחד בגינה.",
    "hi": "कल हम नाश्ते के लिए रोटी और दूध खरीदने दुकान गए थे। फिर हमने बगीचे में साथ खाना खाया।",
    "hu": "Tegnap elmentünk a boltba, hogy kenyeret és tejet vegyünk a reggelihez a kertben.",
    "it": "Ieri siamo andati al negozio per comprare pane e latte per la colazione in giardino.",
    "ja": "昨日、朝食のパンと牛乳を買いに店へ行きました。",
    "ko": "어제 우리는 아침 식사로 빵과 우유를 사러 가게에 갔습니다.",
    "nl": "Gisteren zijn wij naar de winkel gegaan om brood en melk te kopen voor het ontbijt.",
    "no": "I går gikk vi ut for å kjøpe brød. Hva som ble igjen etter turen, tok jeg med meg hjem.",
    "pl": "Wczoraj poszliśmy do sklepu, żeby kupić chleb i mleko na śniadanie w ogrodzie.",
    "pt": "Ontem fomos à loja comprar pão e leite para o pequeno-almoço. Depois comemos no jardim.",
    "ro": "Ieri am mers la magazin să cumpărăm pâine și lapte pentru micul dejun în grădină.",
    "ru": "Вчера мы ходили в магазин, чтобы купить хлеб и молоко на завтрак в саду.",
    "sv": "Igår gick vi till affären för att köpa bröd och mjölk till frukosten i trädgården.",
    "ta": "நேற்று காலை உணவுக்கு ரொட்டியும் பாலும் வாங்க கடைக்குச் சென்றோம்.",
    "th": "เมื่อวานเราไปร้านค้าเพื่อซื้อขนมปังและนมสำหรับอาหารเช้า",
    "tr": "Dün kahvaltı için ekmek ve süt almak üzere dükkâna gittik ve bahçede yemek yedik.",
    "uk": "Учора ми ходили до крамниці, щоб купити хліб і молоко на сніданок у саду.",
    "zh": "昨天我们去商店买早餐的面包和牛奶。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_a_sentence_or_two_are_enough(code: str) -> None:
    assert detect_language(TEXTS[code]) == code


def test_technical_terms_do_not_make_a_chinese_text_english() -> None:
    text = "使用 read_csv() 函数读取 CSV 文件，然后用 ggplot2 绘制图表。dplyr 提供 filter 和 select。"
    assert detect_language(text) == "zh"


@pytest.mark.parametrize(
    "text", ["", "   \n", "1, 2, 3", "OK", "x <- 1:10", "3.14159 2.71828 " * 100, "🦢" * 50]
)
def test_what_is_too_little_is_left_open(text: str) -> None:
    assert detect_language(text) == ""


def test_a_foreign_licence_in_front_does_not_decide() -> None:
    text = TEXTS["en"] * 9 + TEXTS["de"] * 60
    assert detect_language(text) == "de"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("de_AT", "de"),
        ("deu", "de"),
        ("EN", "en"),
        ("English", ""),
        ("", ""),
        ("zxx", ""),
    ],
)
def test_declared_languages(name: str, code: str) -> None:
    assert language_code(name) == code


def test_english_posts_are_english_or_open(data: Path) -> None:
    """A wrong stemmer is worse than none: at most one post in a thousand may get one."""
    with (data / "mtrag-fiqa" / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(2000), lines, strict=False)]
    found = [detect_language(text) for text in texts]
    assert sum(code not in ("en", "") for code in found) <= 2
    assert found.count("en") > 1950
