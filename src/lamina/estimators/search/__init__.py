"""Search for the best network within a time limit: networks with different settings are trained, compared and averaged.

The package is imported when an estimator has a `time_limit`, `trials`, or the preset "best".
"""
