"""Electricity by the hour: what contracts supply of a load, what is left, and what that emits.

Where do I go to ...?

* see which rules of matching there are ......... `policies`
* put hours into the periods of a rule .......... `periods`
* match a load with what contracts supply ....... `matching`
* limit a supply to its certificates ............ `certified`
* carry energy through a storage ................ `storage`

Energy is in kWh and mass in kg of CO2, as arrays over UTC hours.
"""
