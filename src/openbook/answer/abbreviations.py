"""Words whose full stop does not end a sentence, by language.

Kept apart from the code that uses them because they are data: a language gains
a line here and nothing else changes. Lower case, without the last full stop.
"""

from __future__ import annotations

from typing import Final


def _words(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


NEVER_LAST: Final = _words(
    # Followed by what they belong to: a name, a number, an example.
    "mr mrs ms mx dr prof rev fr hon gov sen rep pres gen col maj capt cpt lt sgt cmdr adm st ste mt"
    " fig figs eq eqs eqn ref refs tab no nos nr vol vols ch chap sec sect app art par para pp pg ed eds"
    " vs v cf e.g i.e eg ie viz resp approx ca c est incl excl esp"
    " hr fr bzw z.b d.h u.a s.o s.u vgl abs abb hrsg bd aufl str ggf evtl inkl zzgl"
    " mme mlle mm p.ex pag pág núm num sr sra srta dra dott sig sig.ra prof.ssa exmo"
    " bijv dhr mevr t.b.v т.е т.к г-н г-жа ул рис стр см напр"
)
"""Abbreviations that never stand at the end of a sentence."""

SOMETIMES_LAST: Final = _words(
    "etc al inc ltd co corp llc jr sr bros dept univ ave blvd rd mph"
    " jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun"
    " a.m p.m am pm b.c a.d b.c.e c.e u.s u.k u.n u.s.a d.c e.u ph.d m.d b.a m.a b.sc m.sc"
    " usw uvm u.s.w etc enz ecc т.д т.п др г гг руб"
)
"""Abbreviations that may end a sentence: what follows decides."""

STARTERS: Final = _words(
    "the a an it its in on at he she his her they their this that these those there we our you your i if"
    " when while where what who why how however but and or so as after before for from to with by during"
    " since although because both some many most all each another other no not one two then thus"
    " also according additionally moreover furthermore"
    " der die das ein eine es er sie wir ich im in am auf mit bei wenn als nach vor für dies diese dieser"
    " le la les un une il elle ils nous vous je ce cette ces dans sur avec pour par si quand"
    " el los las una en con por para si cuando este esta estos yo"
    " il lo gli uno nel con per se quando questo questa"
    " het een de zij wij dit dat deze als wanneer o os as um uma no na"
    " в на с и а но он она они мы я это эта этот эти как если когда для по"
)
"""Words that usually begin a sentence when they are capitalised after a full stop."""
