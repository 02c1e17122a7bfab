"""Stacks: how concentration, flow and moisture become CO2, by the rule an operator is under.

Where do I go to ...?

- compute a rate from concentration and flow: `equations`
- get CO2 from measured oxygen: `diluents`; the F-factors of a fuel: `fuels`
- convert wet to dry, to reference oxygen, or from actual to normal conditions: `corrections`
- round as the rules round: `rounding`; sum hours to quarters and years: `periods`
- decide whether an hour is valid: `validity`; fill an hour that is not: `substitution`, with
  what `history` says of the past, in the hour's load range: `load_ranges`
- judge a daily calibration or a relative accuracy test audit: `qa`; audits over time: `audits`
- put it together: an input's hour in `recording`, the hour's figure in `closing`
"""

from __future__ import annotations
