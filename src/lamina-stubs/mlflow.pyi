from lamina.export.mlflow import *
