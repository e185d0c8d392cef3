"""How does a CatBoost model get into a C program? By a network that it teaches.

pip install catboost
python examples/catboost_to_c.py

`lamina.distill` teaches a network what CatBoost predicts. `lamina.export_library` writes the network as a C library
with a header, and a compiler makes a program of it that needs no Python. The picture compares both on test rows.
"""

import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from catboost import CatBoostClassifier  # type: ignore
from sklearn.metrics import roc_auc_score

import lamina

tumours = pl.read_csv(Path(__file__).with_name("tumours.csv")).sample(fraction=1, shuffle=True, seed=0)
X, malignant = tumours.drop("diagnosis").to_pandas(), (tumours["diagnosis"] == "malignant").to_numpy()
X_train, X_test, y_train, y_test = X[:340], X[340:], malignant[:340], malignant[340:]

teacher = CatBoostClassifier(iterations=200, silent=True, allow_writing_files=False, random_seed=0)
teacher.fit(X_train, y_train)
student = lamina.distill(teacher, X_train, y_train, preset="fast", random_state=0)
assert isinstance(student, lamina.MLPClassifier)
lamina.export_library(student, "tumours.so")  # and tumours.o, tumours.h

columns = ", ".join(f".{name} = v[{i}]" for i, name in enumerate(X.columns))
program = f"""
#define COLUMNS {len(X.columns)}
#define ROW {{{columns}}}"""
program += r"""
#include <stdio.h>
#include "tumours.h"

int main(void) {
    double v[COLUMNS], p[TUMOURS_CLASSES];
    int64_t class;
    for (;;) {
        for (int i = 0; i < COLUMNS; i++)
            if (scanf("%lf", &v[i]) != 1)
                return 0;
        tumours_row row = ROW;
        if (tumours_predict(&row, 1, p, &class))
            return 1;
        printf("%.17g\n", p[1]);
    }
}
"""
Path("main.c").write_text(program)
subprocess.run(["cc", "main.c", "tumours.o", "-o", "tumours", "-lm"], check=True)
rows = "\n".join(" ".join(map(repr, row)) for row in X_test.to_numpy().tolist())
answer = subprocess.run(["./tumours"], input=rows, capture_output=True, text=True, check=True).stdout
in_c = [float(line) for line in answer.split()]

print("the C program says what Python does:", in_c == student.predict_proba(X_test)[:, 1].tolist())
by_catboost = teacher.predict_proba(X_test)[:, 1]
areas = [roc_auc_score(y_test, found) for found in (by_catboost, in_c)]
print(f"AUC of CatBoost {areas[0]:.3f}, of the C program {areas[1]:.3f}")
figure, axis = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
for name, marker, which in [("malignant", "o", y_test), ("benign", "x", ~y_test)]:
    axis.scatter(by_catboost[which], np.array(in_c)[which], 16, marker=marker, label=name)
axis.set(xlabel="probability by CatBoost, in Python", ylabel="probability by the network, in C")
axis.legend(frameon=False)
figure.savefig("catboost_to_c.png")
