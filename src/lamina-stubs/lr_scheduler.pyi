from lamina.optimizer.lr_scheduler import *
