from lamina.runs.recipes import *
