"""Which customers will leave? Their contracts, and what they last wrote.

python examples/churn_with_text.py

One column is text, and needs no preparation. The picture compares networks with and without it: if you call the
customers most likely to leave, how many of the leavers do you reach?
"""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

import lamina

rng = np.random.default_rng(0)
count = 2000
TOPICS = ["the invoice", "my router", "the app", "the line", "your shop", "the contract", "roaming"]
HAPPY = ["works well now, thanks", "was settled quickly", "is fine, just a question", "is better than before"]
ANGRY = ["is wrong for the third time", "fails every evening", "costs too much", "is still not repaired"]

angry = rng.random(count) < 0.3
months, price = rng.integers(1, 72, count), rng.choice([9.99, 19.99, 29.99, 49.99], count)
monthly = rng.random(count) < 0.6
messages = []  # three of ten customers never wrote
for bad in angry:
    text = f"Hello, {rng.choice(TOPICS)} {rng.choice(ANGRY if bad else HAPPY)}. Ticket {rng.integers(10**6)}."
    messages.append(text if rng.random() < 0.7 else None)
customers = pl.DataFrame({"months": months, "price": price, "monthly": monthly, "last message": messages})
odds = -3 + 2.5 * angry + 1.2 * monthly + 0.02 * price - 0.02 * months
leaves = rng.random(count) < 1 / (1 + np.exp(-odds))

train, test = customers[:1500], customers[1500:]
leaves_train, leaves_test = leaves[:1500], leaves[1500:]
figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
share_called = np.arange(1, len(test) + 1) / len(test)
for name, unseen in [("with their last message", []), ("without it", ["last message"])]:
    model = lamina.MLPClassifier(preset="fast", random_state=0).fit(train.drop(unseen), leaves_train)
    risk = model.predict_proba(test.drop(unseen))[:, 1]
    reached = np.cumsum(leaves_test[np.argsort(-risk)]) / leaves_test.sum()
    tenth = reached[len(test) // 10]
    print(
        f"{name}: AUC {roc_auc_score(leaves_test, risk):.3f}, a tenth of the calls reach {tenth:.0%} of the leavers"
    )
    axis.plot(100 * share_called, 100 * reached, label=name)
axis.plot([0, 100], [0, 100], color="gray", linestyle=":", label="at random")
axis.set(xlabel="customers called, most likely leavers first (%)", ylabel="leavers reached (%)")
axis.legend(frameon=False)
axis.grid(alpha=0.3)
figure.savefig("churn_with_text.png")
