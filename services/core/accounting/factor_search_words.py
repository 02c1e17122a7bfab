"""Words that people search factors by, and what publishers call it; also in other languages.

Everything is in lower case and without accents, as :func:`split` leaves it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

#: What several words, or one of another language, say.
_PHRASES: Final = {
    "erdgas": "natural gas",
    "gaz naturel": "natural gas",
    "gas natural": "natural gas",
    "gas naturale": "natural gas",
    "aardgas": "natural gas",
    "mains gas": "natural gas",
    "town gas": "natural gas",
    "heizol": "heating oil",
    "mazout": "heating oil",
    "fioul": "heating oil",
    "red diesel": "gas oil",
    "fernwarme": "district heat",
    "nahwarme": "district heat",
    "stadtwarme": "district heat",
    "district heating": "district heat",
    "chauffage urbain": "district heat",
    "holzpellets": "wood pellets",
    "pellet": "wood pellets",
    "hackschnitzel": "wood chips",
    "wasserstoff": "hydrogen",
    "flussiggas": "lpg",
    "autogas": "lpg",
    "steinkohle": "bituminous coal",
    "hard coal": "bituminous coal",
    "braunkohle": "lignite",
    "brown coal": "lignite",
    "koks": "coke",
    "natural gas vehicle": "cng",
    "bunker oil": "marine fuel oil",
    "jet a": "jet fuel",
    "jet a1": "jet fuel",
    "avgas": "aviation gasoline",
    "biomethane": "biogas",
    "biogaz": "biogas",
    "sulphur": "sulfur",
    "tyres": "tires",
    "well to tank": "wtt",
    "upstream": "wtt",
    "line losses": "losses",
    "grid losses": "losses",
    "t&d": "losses",
    "carbon intensity": "electricity",
    "grid intensity": "electricity",
    "grid mix": "electricity",
    "strommix": "electricity",
}

#: One word for another.
_SAME: Final = {
    "petrol": "gasoline",
    "benzin": "gasoline",
    "essence": "gasoline",
    "gasolina": "gasoline",
    "benzina": "gasoline",
    "gasoil": "diesel",
    "gazole": "diesel",
    "derv": "diesel",
    "paraffin": "kerosene",
    "kerosine": "kerosene",
    "kerosin": "kerosene",
    "power": "electricity",
    "grid": "electricity",
    "strom": "electricity",
    "stromnetz": "electricity",
    "electric": "electricity",
    "electrical": "electricity",
    "electricite": "electricity",
    "electricidad": "electricity",
    "eletricidade": "electricity",
    "elettricita": "electricity",
    "elektriciteit": "electricity",
    "elektrizitat": "electricity",
    "warme": "heat",
    "chaleur": "heat",
    "dampf": "steam",
    "vapeur": "steam",
    "holz": "wood",
    "bois": "wood",
    "kohle": "coal",
    "charbon": "coal",
    "carbone": "coal",
    "propan": "propane",
    "butan": "butane",
    "vehicle": "transport",
    "fridge": "refrigerant",
    "cooling": "refrigerant",
    "kaltemittel": "refrigerant",
    "wtt": "tank",
}

#: Words that say nothing of a factor.
EMPTY: Final = frozenset(
    [
        "the",
        "of",
        "in",
        "for",
        "and",
        "a",
        "per",
        "by",
        "with",
        "factor",
        "factors",
        "emission",
        "emissions",
        "co2",
        "co2e",
        "co2eq",
        "ghg",
        "great",
        "die",
        "der",
        "das",
        "und",
        "fur",
        "pro",
        "je",
        "from",
        "to",
        "unit",
        "hour",
    ]
)

#: Units: which ones a word asks for.
UNITS: Final = {
    **dict.fromkeys(("litre", "litres", "liter", "liters"), "L"),
    **dict.fromkeys(("kg", "kilogram", "kilograms", "kilo"), "kg"),
    **dict.fromkeys(("tonne", "tonnes", "ton", "tons"), "t"),
    **dict.fromkeys(("m3", "cubic", "metre", "metres", "meter", "meters"), "m3"),
    **dict.fromkeys(("kwh", "mwh", "kilowatt"), "kWh"),
    **dict.fromkeys(("gj", "gigajoule", "tj", "mj"), "GJ"),
    **dict.fromkeys(("gal", "gallon", "gallons"), "gal"),
    **dict.fromkeys(("mmbtu", "therm", "therms", "btu"), "mmBtu"),
    "scf": "scf",
}
BASES: Final = frozenset({"gross", "net", "market", "location"})


class Place(NamedTuple):
    """A region, and the end of the id of the grid that most of the place is on."""

    region: str
    grid: str = ""


def _places(region: str, *names: str) -> dict[str, Place]:
    return {name: Place(region) for name in names}


def _states(grid: str, *names: str) -> dict[str, Place]:
    return {name: Place("US", grid) for name in names}


#: Places by names that no table has; most of a state lies in the eGRID subregion.
PLACES: Final = {
    **_places("GB", "uk", "england", "britain", "scotland", "gb", "grossbritannien"),
    **_places("US", "usa", "us", "america", "united states", "etats unis"),
    **_places("EU", "eu", "europe", "europa", "european union"),
    **_places("DE", "deutschland", "allemagne", "german", "germany"),
    **_places("AT", "osterreich", "autriche", "austria"),
    **_places("CH", "schweiz", "suisse", "svizzera"),
    **_places("FR", "frankreich", "francia"),
    **_places("IT", "italien", "italia", "italie"),
    **_places("ES", "spanien", "espana", "espagne"),
    **_places("PT", "portugal"),
    **_places("NL", "holland", "niederlande", "nederland", "netherlands"),
    **_places("BE", "belgien", "belgique", "belgie"),
    **_places("PL", "polen", "polska", "pologne"),
    **_places("SE", "schweden", "sverige"),
    **_places("NO", "norge", "norwegen"),
    **_places("DK", "danmark", "danemark"),
    **_places("FI", "suomi", "finnland"),
    **_places("CZ", "czech republic", "tschechien", "czechia"),
    **_places("KR", "korea", "south korea"),
    **_places("RU", "russia", "russland"),
    **_places("TR", "turkey", "turkiye", "turkei"),
    **_places("BR", "brasil", "brasilien"),
    **_places("CN", "prc", "chine"),
    **_places("AE", "uae", "emirates"),
    **_states("erct", "texas", "ercot"),
    **_states("camx", "california", "caiso"),
    **_states("frcc", "florida"),
    **_states("nycw", "nyc", "new york city"),
    **_states("nyli", "long island"),
    **_states("nyup", "new york"),
    **_states("akgd", "alaska"),
    **_states("hioa", "hawaii"),
    **_states("aznm", "arizona", "new mexico"),
    **_states("rfcm", "michigan"),
    **_states(
        "newe", "new england", "massachusetts", "connecticut", "maine", "vermont",
        "new hampshire", "rhode island",
    ),
    **_states("nwpp", "oregon", "idaho", "utah", "montana", "nevada", "washington"),
    **_states("rmpa", "colorado", "wyoming"),
    **_states("spno", "kansas"),
    **_states("spso", "oklahoma"),
    **_states("srmv", "louisiana", "arkansas", "mississippi"),
    **_states("srmw", "missouri"),
    **_states("rfcw", "ohio", "indiana", "west virginia", "illinois"),
    **_states("rfce", "pennsylvania", "new jersey", "maryland", "delaware", "pjm"),
    **_states("srvc", "virginia", "north carolina", "south carolina"),
    **_states("srso", "alabama"),
    **_states("srtv", "tennessee", "kentucky"),
    **_states("mroe", "wisconsin"),
    **_states("mrow", "minnesota", "iowa", "nebraska", "north dakota", "south dakota"),
}  # fmt: skip

#: What factors are called that their names do not say.
ALSO: Final = {
    "diesel-ipcc": "heating oil light",
    "gas-oil-gb": "heating oil",
    "burning-oil-gb": "heating oil kerosene",
    "fuel-oil-residual-ipcc": "heavy fuel oil",
    "fuel-oil-residual": "heavy fuel oil",
    "coal-bituminous": "hard coal",
    "aviation-turbine-fuel-gb": "jet fuel kerosene",
    "coal-bituminous-ipcc": "hard coal",
    "steam-us": "district heat",
}

#: Of several that a word fits equally, the usual one.
USUAL: Final = frozenset(
    [
        "natural-gas",
        "natural-gas-ipcc",
        "natural-gas-gb",
        "diesel",
        "diesel-ipcc",
        "diesel-gb",
        "coal-bituminous",
        "coal-bituminous-ipcc",
        "coal-industrial-gb",
        "fuel-oil-residual",
        "fuel-oil-residual-ipcc",
        "wood",
        "jet-kerosene",
        "lpg",
    ]
)

#: Words beside which gas is another one.
_GASES: Final = frozenset(
    [
        "natural",
        "landfill",
        "coke",
        "blast",
        "furnace",
        "refinery",
        "petroleum",
        "works",
        "oil",
        "marine",
        "fuel",
        "liquefied",
        "refrigerant",
        "biogas",
        "tank",
        "liquids",
    ]
)

_REFRIGERANT = re.compile(r"\br[- ]?(\d{2,3}[a-z]{0,2})\b")


def plain(text: str) -> str:
    """Return the text in lower case, without accents, refrigerants as `r410a`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    without = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _REFRIGERANT.sub(r"r\1", without.replace("ß", "ss"))


def split(text: str) -> list[str]:
    """Return the words of a name or query."""
    return [_SAME.get(word, word) for word in re.findall(r"[a-z0-9]+(?:\.[0-9]+)?", plain(text))]


def words_of_query(text: str) -> list[str]:
    """Return the words of a query, phrases and other languages as publishers have it."""
    spaced = f" {' '.join(re.findall(r'[a-z0-9&.]+', plain(text)))} "
    for phrase, meant in _PHRASES.items():
        spaced = spaced.replace(f" {phrase} ", f" {meant} ")
    words = split(spaced)
    # of gas alone that of the mains is meant
    return ["natural", *words] if "gas" in words and not _GASES & set(words) else words
