"""Search for the best network within a time limit: networks with different settings are trained, compared and averaged.

Estimators import the package if they have a `time_limit`, `trials`, or the preset "best".
"""
