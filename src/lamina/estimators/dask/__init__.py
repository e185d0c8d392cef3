"""Estimators for Dask tables: `MLPClassifier` and `MLPRegressor`, following LightGBM's conventions.

A collection's partitions stay with the workers, which survey, encode and keep them; the client trains on
blocks that it prefetches (docs/adr/dask.md).

`_partitions` (a table on workers) → `_table` (surveying, encoding and fetching it) → `_estimators`.
"""

from lamina.support.extras import require

require("lamina.dask", "dask", "distributed", "scikit-learn", "narwhals", "polars")

from lamina.estimators.dask._estimators import MLPClassifier, MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor"]
