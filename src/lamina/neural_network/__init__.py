from lamina.neural_network.estimators import MLPClassifier, MLPRegressor
