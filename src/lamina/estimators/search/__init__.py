"""The best network in the time there is: networks of other settings are trained, compared, and averaged.

Imported when an estimator has a `time_limit`, `trials`, or the preset "best".
"""
