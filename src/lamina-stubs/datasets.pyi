from lamina.support.datasets import *
