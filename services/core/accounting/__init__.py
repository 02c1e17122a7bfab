"""How readings become CO2: pure functions over frozen records; no I/O, no clock, no database.

Where do I go to ...?

* name a unit, or convert one ................... `units` (the numbers: `unit_table`)
* bring gas to reference conditions ............. `gas`
* turn a register's index into amounts .......... `registers`, for interval meters `intervals`
  (what a register can physically do: `register_plausibility`, its records: `register_records`)
* spread an amount over minutes ................. `spreading`
* take the mean of a gauge over minutes ......... `gauges`
* go from a channel's readings to its minutes ... `series`, and from there to CO2: `methods`
* find the factor that holds at a time .......... `factors`, those shipped: `builtin_factors`
  (their tables: `factor_data`, read by `factor_publications` and `factor_tables`)
* turn gases into CO2e .......................... `gwp`
* turn an activity into kg, or refuse to ........ `activity`
* add up scopes, and count a boiler once ........ `scopes`
* put a band on a total ......................... `uncertainty`
* judge limits, and say what an alert is ......... `alerting`
* compute a stack, judge and substitute hours ... `stack`
* match electricity with contracts .............. `scope2`
* compare emissions with a path to net zero ..... `pathway`
* forecast what a period comes to ............... `forecast`

Each rule, its source and the test that proves it are in ``deploy/docs/trust/rules.md``.
"""

from __future__ import annotations
