from lamina.nd.random import *
