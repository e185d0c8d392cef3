"""The search: trial after trial until the time is over, and the best average of them in the estimator.

The order of the trials, and all that happens in each of them, depends on the table and the seed alone; the limit says
where the sequence is cut. So more time is never worse on the rows that validate, and as many trials give the same bits.

`MLPClassifier(time_limit=300).fit(X, y)` and `fit_table(estimator, X, y, schema, eval_set)` search if the estimator has
`time_limit`, `trials`, or `preset="best"`. Among its `callbacks` may be `SearchObserver`s, one `TrialStore`, and functions
(estimator, epoch), of which a true result ends the search.
"""

from __future__ import annotations
