"""Estimators for Dask tables: `MLPClassifier` and `MLPRegressor`, following LightGBM's conventions.

The partitions of a collection stay in the workers' memory. The workers compute statistics and encode the rows; the
client fetches the encoded rows in blocks, and trains on them (docs/adr/dask.md).
"""

from lamina.support.extras import require

require("lamina.dask", "dask", "distributed", "scikit-learn", "narwhals", "polars")

from lamina.estimators.dask._estimators import MLPClassifier, MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor"]
