"""Synthetic data made by our own seeded generator, not FINRA's: the names in it.

Belongs here: who trades (venues, firms) and what is traded (symbols, issue names), as
pure functions of a tier and a slot. A slot is a symbol's place in its tier, 0 for the
most traded. Does not belong here: volumes (`market`), weeks and files (`files`).

The venues are those FINRA publishes, with their rough shares; firms, symbols and issues
are made up. A symbol that spells a real one does so by accident. Names of issues, venues and firms
end with `MARK`, so that no row can be taken for FINRA's; the pool of small firms, which is nobody,
keeps its name.
"""

from __future__ import annotations

from typing import NamedTuple

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.provenance import MARK


class Participant(NamedTuple):
    """A venue or a firm: `share_pct` of its class's shares, and how large its trades are."""

    mpid: str
    name: str
    share_pct: float
    trade_size_factor: float = 1.0
    crd: str = ""


_BLOCK = 25.0  # block venues trade thousands of shares at a time where others trade hundreds

_NMS_VENUES = tuple(
    Participant(mpid, f"{mpid} {name}{MARK}", share_pct, size)
    for mpid, name, share_pct, size in (
        ("UBSA", "UBS ATS", 15.0, 1.0),
        ("INCR", "INTELLIGENTCROSS LLC", 14.0, 1.0),
        ("SGMT", "SIGMA X2", 13.0, 1.0),
        ("JPMX", "JPM-X", 8.0, 1.0),
        ("MSPL", "MS POOL (ATS-4)", 8.0, 1.0),
        ("MLIX", "INSTINCT X", 7.0, 1.0),
        ("EBXL", "LEVEL ATS", 6.0, 1.0),
        ("LATS", "BARCLAYS ATS", 5.0, 1.0),
        ("BIDS", "BIDS ATS", 3.0, 4.0),
        ("KCGM", "VIRTU MATCHIT", 3.0, 1.0),
        ("MSTX", "MS TRAJECTORY CROSS (ATS-1)", 3.0, 1.0),
        ("XSTM", "CROSSSTREAM", 2.0, 1.0),
        ("ITGP", "POSIT", 2.0, 4.0),
        ("PURE", "PURESTREAM", 1.5, 4.0),
        ("JPBX", "JPB-X", 1.4, 1.0),
        ("IATS", "IBKR ATS", 1.3, 1.0),
        ("MSRP", "MS RETAIL POOL (ATS-6)", 1.2, 1.0),
        ("LQNA", "LIQUIDNET H2O", 1.0, _BLOCK),
        ("ICBX", "CBX US", 0.8, 1.0),
        ("BLKX", "BLOCKCROSS", 0.7, _BLOCK),
        ("ONEC", "ONECHRONOS MARKETS", 0.7, 2.0),
        ("CGXS", "ONECHRONOS", 0.6, 2.0),
        ("BNPX", "BNPP CORTEX ATS", 0.5, 1.0),
        ("CODA", "CODA MICRO", 0.4, 4.0),
        ("BLUE", "BLUE OCEAN ATS", 0.3, 1.0),
        ("LQNT", "LIQUIDNET NEGOTIATION", 0.3, _BLOCK),
        ("LMNX", "LUMINEX ATS", 0.2, _BLOCK),
        ("STFX", "STIFEL X", 0.15, 1.0),
        ("IEOS", "INSTINET ATS", 0.15, 1.0),
    )
)

_OTC_VENUES = tuple(
    Participant(mpid, f"{mpid} {name}{MARK}", share_pct)
    for mpid, name, share_pct in (
        ("OTCN", "OTC LINK NQB IDQS", 82.3),
        ("OTCX", "OTC LINK ECN ATS", 14.2),
        ("ARCA", "GLOBAL OTC", 3.2),
        ("SWCL", "INX SECURITIES, LLC", 0.26),
        ("VIAT", "VARIABLE INVESTMENT ADVISORS INC ATS", 0.024),
        ("PPEX", "NORTH CAPITAL PRIVATE SECURITIES ATS", 0.004),
        ("PROS", "TZERO SECURITIES LLC", 0.002),
        ("ALTS", "LODAS SECURITIES ATS", 0.001),
        ("SMKT", "SECURITIZE MARKETS ATS", 0.0005),
        ("STEN", "START ENGINE PRIMARY ATS", 0.0004),
    )
)

DE_MINIMIS = Participant("", "De Minimis Firms", 2.0, crd="0")
"""The bucket that pools small firms; FINRA's API gives it the CRD number 0."""

# CRD numbers of real firms stay far below 990,000, so none of these is anybody's.
_FIRMS = tuple(
    Participant("", name + MARK, share_pct, size, f"99{place:02d}17")
    for place, (name, share_pct, size) in enumerate(
        (
            ("QUILLON MARKET MAKING LLC", 36.0, 1.0),
            ("TARNBROOK EXECUTION SERVICES LLC", 27.0, 1.0),
            ("VESPERLINE CAPITAL MARKETS LLC", 10.0, 1.0),
            ("OSPREY HOLLOW SECURITIES LLC", 7.0, 1.0),
            ("COBALT LARCH SECURITIES INC.", 5.0, 1.5),
            ("FENNIMORE PRINCIPAL TRADING LLC", 4.0, 1.0),
            ("IRONBARK RETAIL EXECUTION LLC", 3.0, 1.0),
            ("HOLLIS & WREN BROKERAGE, INC.", 2.0, 4.0),
            ("PELLUCID SYSTEMATIC TRADING LLC", 1.5, 1.0),
            ("SALTMARSH BLOCK PARTNERS L.P.", 1.2, _BLOCK),
            ("MERIDIAN THISTLE SECURITIES LLC", 0.8, 2.0),
            ("D'ARCY PELHAM & CO. LLC", 0.5, 2.0),
        ),
        start=1,
    )
)


POOLED_FIRMS = (
    Participant("", f"WILLOWMERE SECURITIES LLC{MARK}", 0.0, crd="991317"),
    Participant("", f"PIKE & DUNMORE BROKERAGE INC.{MARK}", 0.0, crd="991417"),
    Participant("", f"SEDGEFIELD CAPITAL PARTNERS L.P.{MARK}", 0.0, crd="991517"),
)
"""Firms so small that rows by symbol never name them; FINRA's totals by firm do."""
OFTEN_POOLED = _FIRMS[-1]
"""A firm whose volume rows by symbol name only in part."""


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    "Amber Aster Birch Blue Bramble Calder Cedar Cinder Clover Copper Coral Dapple Eider Ember "
    "Fallow Fern Flint Foxglove Garnet Granite Hazel Heron Indigo Juniper Kestrel Lantern Larkspur "
    "Linden Lumen Marlow Mistral Nettle Novum Ochre Onyx Orchard Pewter Plover Quarry Russet "
    "Saffron Sorrel Tamarack Teasel Umber Verity Willow Yarrow"
)
_SECOND = _words(
    "Bay Bluff Bridge Brook Cape Cove Creek Dale Delta Field Ford Gate Glen Grove Harbor Haven "
    "Hearth Hill Hollow Isle Lake Landing March Meadow Mesa Mill Moor Pass Peak Pine Point Reach "
    "Ridge River Row Shore Spring Summit Vale Wharf"
)
_TRADE = _words(
    "Bancorp Biosciences Brands Energy Foods Holdings Industries Logistics Media Metals "
    "Networks Pharma Realty Software Systems"
)

# What an issue is called follows the end of its symbol, as on the exchanges and over the counter.
_FORMS = {
    ".A": "Inc. Class A Common Stock",
    ".B": "Inc. Class B Common Stock",
    ".WS": "Corp. Warrants, each whole warrant exercisable at $11.50",
    ".U": "Acquisition Corp. Units",
    "W": "Inc. Warrant",
    "F": "Ltd Ordinary Shares (Canada)",
    "Y": "AG Unsponsored ADR (Germany)",
    "Q": "Inc. Common Stock (in reorganization)",
    "p": "Inc. Depositary Shares 6.25% Perpetual Non-Cumulative Preferred, Series ",
}
_PLAIN_FORMS = ("Inc. Common Stock", "Corporation Common Stock", "Ltd. Ordinary Shares")

# Letters before the ending, and the ending, slot after slot in a circle.
_SHAPES: dict[Tier, tuple[tuple[int, str], ...]] = {
    Tier.NMS_TIER_1: (
        *((4, ""), (3, ""), (2, ""), (3, ".B"), (4, ""), (3, ""), (1, ""), (4, "")),
        *((3, ".A"), (4, ""), (3, "")),
    ),
    Tier.NMS_TIER_2: (
        *((4, ""), (3, ""), (4, ""), (3, "pD"), (4, ""), (3, ".A"), (4, ".WS"), (3, "")),
        *((3, "pA"), (4, ""), (4, ".U"), (4, "W")),
    ),
    Tier.OTC: ((4, ""), (4, "F"), (4, "Y"), (4, "F"), (4, "F"), (4, "Y"), (4, "Q")),
}

_LONGEST = (
    "Yarrow Hearth Structured Products Corp. Corporate-Backed Trust Securities Certificates "
    "(Relating to Larkspur Vale Telephone Company) One Hundred Year 7.125% Debentures due "
    "Dec 1, 2095 Ser B"
)  # with the mark 201 characters, the longest seen in a real file

# Names that break naive readers: quotes that do not close, separators, runs of blanks.
_CURIOUS: dict[Tier, dict[int, str]] = {
    Tier.NMS_TIER_1: {
        4: "O'Dell & Marsh Holdings, Inc. Common Stock",
        7: "Yahara! Brands Inc. Common Stock",
    },
    Tier.NMS_TIER_2: {
        4: 'Tall Pine 3/8" Drill Bit Co Common Stock',
        7: "Garnet Row Trust 7.75% Senior Notes due 2029",
        9: "Double  Space Mining Ltd  Common Stock",
    },
    Tier.OTC: {
        10: '"Novum Hearth Ltd Ordinary Shares',
        11: 'Quill "Prime" Media, Inc. Com Par $0.001',
        13: _LONGEST,
        14: "Cedar Row LLC SER - 79STAR C80:C1818 CORAL",
        15: "L'Orme Vtg & Var Vtg Shares (Canada)",
        16: "Kestrel Vault LLC Membership Int Ser - #0KQ7T",
        18: "Onyx  Point   Mines Inc Ordinary Shares",
    },
}

_TIER_NUMBER = {tier: number for number, tier in enumerate(Tier)}
_SHARED_EVERY = 23  # a slot in so many of tier 2 is a tier 1 symbol: FINRA lists some in both
_CASE_TWIN = (11, 3)  # of tier 2: slot 11 spells slot 3 in capitals, and is another issue
_PRIVATE_EVERY, _PRIVATE_FIRST = 9, 8  # a ninth of OTC symbols are series traded at PPEX alone
_STRIDE = 15_485_863  # a prime: shares no factor with the alphabet or the word lists
_OFFSET = 271_828  # so that the first symbol is not AAAA
MAX_SLOTS = 26**4 // len(Tier)  # beyond, four letters could not tell all symbols apart
_ONE_VENUE = {12: "SWCL", 19: "VIAT", 20: "PROS", 21: "ALTS", 22: "SMKT", 23: "STEN"}
_OPEN_VENUES = ("OTCN", "OTCX", "ARCA")  # of the OTC tier; the others are private markets


def participants(tier: Tier, venue_class: VenueClass) -> tuple[Participant, ...]:
    """All who can report in a tier, largest first; for non-ATS the bucket comes last."""
    if venue_class is VenueClass.NON_ATS:
        return (*_FIRMS, DE_MINIMIS)
    return _OTC_VENUES if tier is Tier.OTC else _NMS_VENUES


def trades_at(tier: Tier, slot: int, mpid: str) -> bool:
    """Whether an issue can trade on a venue: series on private markets trade on one alone."""
    if tier is not Tier.OTC:
        return True
    alone = "PPEX" if _is_private(slot) else _ONE_VENUE.get(slot)
    return mpid == alone if alone else mpid in _OPEN_VENUES


def symbol_of(tier: Tier, slot: int) -> str:
    """The symbol in a slot: unique in its tier, case-significant (`ABCpD`)."""
    if tier is Tier.NMS_TIER_2:
        if slot % _SHARED_EVERY == _SHARED_EVERY // 4:
            return symbol_of(Tier.NMS_TIER_1, slot)
        if slot == _CASE_TWIN[0]:
            return symbol_of(tier, _CASE_TWIN[1]).upper()
    letters, ending = _SHAPES[tier][slot % len(_SHAPES[tier])]
    number = len(Tier) * slot + _TIER_NUMBER[tier]
    while number >= 26**letters:  # the short symbols are taken
        letters += 1
    return _spell((number * _STRIDE + _OFFSET) % 26**letters, letters) + ending


def issue_name_of(tier: Tier, slot: int) -> str:
    """The issue name in a slot: free text of up to 201 characters, never with a `|`."""
    symbol = symbol_of(tier, slot)
    if tier is Tier.NMS_TIER_2 and symbol == symbol_of(Tier.NMS_TIER_1, slot):
        return issue_name_of(Tier.NMS_TIER_1, slot)
    if slot in _CURIOUS[tier]:
        return _CURIOUS[tier][slot] + MARK
    issuer, trade = _issuer(tier, slot)
    if tier is Tier.OTC and _is_private(slot):
        return f"{issuer.upper()} LLC MEMBERSHIP INT SER - #{symbol}{MARK}"
    return f"{issuer} {trade} {_form(symbol, slot)}{MARK}"


def reassigned_name_of(tier: Tier, slot: int) -> str:
    """The issue name after the symbol in a slot was given to another issuer."""
    issuer, trade = _issuer(tier, MAX_SLOTS + slot)
    return f"{issuer} {trade} {_form(symbol_of(tier, slot), slot)}{MARK}"


def _issuer(tier: Tier, slot: int) -> tuple[str, str]:
    number = (len(Tier) * slot + _TIER_NUMBER[tier]) * _STRIDE
    number, first = divmod(number, len(_FIRST))
    number, second = divmod(number, len(_SECOND))
    return f"{_FIRST[first]} {_SECOND[second]}", _TRADE[number % len(_TRADE)]


def _form(symbol: str, slot: int) -> str:
    if symbol[-2:-1] == "p":
        return _FORMS["p"] + symbol[-1]
    if "." in symbol:
        return _FORMS[symbol[symbol.index(".") :]]
    if len(symbol) == 5 and symbol[-1] in _FORMS:
        return _FORMS[symbol[-1]]
    return _PLAIN_FORMS[slot % len(_PLAIN_FORMS)]


def _is_private(slot: int) -> bool:
    return slot % _PRIVATE_EVERY == _PRIVATE_FIRST


def _spell(number: int, letters: int) -> str:
    """A number below 26**letters in letters, A for 0."""
    text = ""
    for _ in range(letters):
        number, letter = divmod(number, 26)
        text = chr(ord("A") + letter) + text
    return text
