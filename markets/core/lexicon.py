"""What market and political news words mean for whom they are about; general lexica miss these.

Weights follow VADER's scale, -4 … 4 (Hutto & Gilbert 2014). A phrase is written with underscores
and counts as one word. One line, one reason.
"""

import re
from typing import Final

GROUPS: Final[tuple[tuple[float, str, str], ...]] = (
    (3.0, "prices leap", "soar soars soared skyrockets surge surges surged surging"),
    (2.2, "prices climb", "rally rallies rallied jump jumps jumped climbs climbed rebound"),
    (2.2, "prices climb", "rebounds"),
    (1.6, "prices go up", "rise rises rising rose gain gained edges_up ticks_up higher advances"),
    (2.4, "a height never seen", "record_high all-time_high new_high to_a_record"),
    (-3.0, "prices collapse", "crash crashes crashed plunge plunges plunged collapse collapses"),
    (-3.0, "prices collapse", "collapsed plummets plummet nosedives tanks craters meltdown rout"),
    (-2.2, "prices sink", "tumble tumbles tumbled slump slumps slumped slides slid sinks sank"),
    (-1.6, "prices go down", "fall falls fell falling drop drops dropped slip slips slipped lower"),
    (-1.6, "prices go down", "decline declines declined dips eases_back retreats weakens"),
    (-1.8, "somebody sells", "selloff sell-off heavy_selling dumps dumped outflows liquidations"),
    (1.5, "somebody buys", "inflows buys_back buyback accumulates"),
    (2.3, "permission", "approve approves approved approval greenlights clears_way authorizes"),
    (2.0, "permission", "upholds upheld ratifies ratified confirmed_by signs_into_law legalizes"),
    (-2.6, "a door closes", "bans banned outlaws prohibits reject rejects rejected refuses denies"),
    (-2.2, "a door closes", "block blocks blocked veto vetoes vetoed strikes_down struck_down"),
    (-2.2, "a door closes", "halts halted suspends suspended suspension freezes delist delists"),
    (-1.8, "later than hoped", "delay delays delayed postpones postponed stalls stalled shelves"),
    (-2.4, "leaves the race", "withdraw withdraws withdrew drops_out dropped_out pulls_out quits"),
    (-2.4, "loses the office", "resign resigns resigned ousted ousts impeached steps_down fired"),
    (-2.2, "loses the race", "loses lost trails trailing defeated knocked_out eliminated concedes"),
    (-2.0, "loses the race", "ruled_out relegated disqualified pulling_behind"),
    (2.6, "wins", "wins won win clinches clinched victory elected re-elected landslide triumphs"),
    (2.0, "ahead", "leads leading pulls_ahead pulling_ahead ahead_in frontrunner advances_to"),
    (1.8, "backed", "endorses endorsed endorsement secures secured backs survives survived"),
    (2.2, "better than feared", "beat beats tops_estimates exceeds_forecasts above_forecasts"),
    (2.0, "better than feared", "upgrade upgraded upgrades meets_its raises_outlook"),
    (2.0, "better than feared", "what_was_forecast"),
    (-2.2, "worse than hoped", "miss misses missed falls_short below_forecasts downgrade"),
    (-2.2, "worse than hoped", "downgraded downgrades cuts_outlook profit_warning"),
    (-1.8, "less growth", "cuts_growth recession contraction contracts layoffs lays_off shrinks"),
    (-3.0, "money is gone", "bankruptcy insolvent insolvency defaults default bankrupt"),
    (-3.0, "money is gone", "liquidation"),
    (-2.6, "money is stolen", "hack hacked hackers exploit exploited breach stolen rug_pull"),
    (-2.4, "loses its anchor", "depeg depegs loses_its_peg de-pegs bank_run"),
    (-2.4, "before a court", "indicted indicts charged convicted conviction guilty sued sues"),
    (-2.0, "before a court", "lawsuit arrested subpoena probe fined fines sanctions sanctioned"),
    (2.4, "free of a court", "acquitted acquits dismisses_lawsuit exonerated dismisses overturns"),
    (2.4, "free of a court", "dropped_charges drops_charges settles cleared_of"),
    (2.6, "peace", "ceasefire truce peace_deal deal_reached agreement_reached accord ends_strike"),
    (2.0, "agreement", "reaches_deal accepts_offer strikes_deal pass passes passed avert averts"),
    (-3.0, "war", "invades invasion war attack attacks strikes_on missile missiles escalates"),
    (-2.2, "talks end badly", "talks_fail talks_collapse as_talks_fail walks_out breaks_down"),
    (-2.4, "public services stop", "shuts_down shutdown shut_down blackout"),
    (-2.2, "nature strikes", "earthquake floods wildfire storm_strengthens hurricane_strengthens"),
    (-2.0, "it does not work", "faulty recalls recalled recall failure fails failed explodes"),
    (2.0, "it works", "lands_safely launches_successfully succeeds goes_live success completes"),
    (-1.8, "hurt", "injury injured doubtful_for out_for_season torn"),
    (1.8, "back", "returns_from recovers recovered reinstated restored"),
    (-1.6, "tariffs", "tariffs trade_war retaliates"),
    (1.6, "listed", "listing listed adopts adoption partnership"),
    (2.0, "prices climb", "doubles doubled triples tripled quadruples reclaims reclaimed"),
    (1.8, "better than feared", "less_than_feared better_than_feared breakthrough milestone"),
    (1.8, "better than feared", "strong_protection strong_demand strong_results effective"),
    (-2.0, "trouble", "emergency evacuation evacuated outage crisis warns warned warning turmoil"),
    (-1.8, "trouble", "protest protests unrest inquiry investigation investigated opens_probe"),
    (-1.8, "hope goes", "hopes_fade fades doubts setback weaker weak weakness loses_grip rebels"),
    (-2.0, "money leaves", "flee flees exodus withdrawals two-year_low record_low new_low lowest"),
    (-2.0, "named and shamed", "scandal fraud ponzi manipulation corruption allegations"),
)  # fmt: skip
# A general lexicon hears feelings where news only names things.
NEUTRAL: Final = (
    "united share shares interest interests trust bill party parties legal play plays chance like "
    "security secretary strong gross alert unemployment fed energy capital credit value growth no "
    "special care matter resolve resolves please outlook rescue treasury hail hails vote confidence"
)
# What goes down here is good news, and what goes up is bad.
UNWELCOME: Final = (
    "unemployment inflation jobless deficit crime deaths cases layoffs claims poverty default debt "
    "violence emissions turnout-gap"
)
DOWN: Final = (
    "falls fell fall drops dropped eases eased cools cooled slows slowed declines declined"
)
UP: Final = (
    "rises rose rise jumps jumped accelerates accelerated surges surged climbs climbed soars"
)
WELCOME_FALL, UNWELCOME_RISE, AVERTED = "welcome_fall", "unwelcome_rise", "averted_harm"
HARM: Final = "shutdown default strike war recession crisis collapse invasion attack"
HARMS: Final = "|".join(HARM.split())
WEIGHTS: Final[dict[str, float]] = {
    **dict.fromkeys(NEUTRAL.split(), 0.0),
    **{word: weight for weight, _why, words in GROUPS for word in words.split()},
    WELCOME_FALL: 2.0,
    UNWELCOME_RISE: -2.0,
    AVERTED: 2.2,
}
PHRASES: Final = re.compile(
    r"\b("
    + "|".join(
        sorted((re.escape(w).replace("_", r"\s+") for w in WEIGHTS if "_" in w), key=len)[::-1]
    )
    + r")\b",
    re.IGNORECASE,
)


def _turn(words: str) -> re.Pattern[str]:
    """An unwelcome thing, at most two words, then a direction."""
    things, directions = "|".join(UNWELCOME.split()), "|".join(words.split())
    return re.compile(rf"\b({things})((?:\s+\w+){{0,2}}?)\s+(?:{directions})\b", re.IGNORECASE)


TURNS: Final = (
    (_turn(DOWN), rf"it\2 {WELCOME_FALL}"),
    (_turn(UP), rf"it\2 {UNWELCOME_RISE}"),
    (
        re.compile(
            rf"\b(?:averts?|avoids?|no|ends?|ruled out|end of)\s+(?:\w+\s+)?(?:{HARMS})\b"
            rf"|\b(?:{HARMS})\s+(?:ends|ended|averted|avoided)\b",
            re.IGNORECASE,
        ),
        AVERTED,
    ),
)


def marked(text: str) -> str:
    """The text with phrases as one word each, and with good falls and bad rises named.

    >>> marked("Candidate drops out as inflation cools")
    'Candidate drops_out as it welcome_fall'
    """
    for pattern, instead in TURNS:
        text = pattern.sub(instead, text)
    return PHRASES.sub(lambda found: "_".join(found[0].split()), text)
