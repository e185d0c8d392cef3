from lamina.estimators.dask import *
