"""How much bread to bake? As much as the costs of too much and too little say.

python examples/stock_quantiles.py

A loaf too many costs 1, a customer sent away costs 4. The best order is then the 4 / (4 + 1) = 80 % quantile of the
demand, not its mean (the newsvendor problem: Arrow, Harris and Marschak, 1951). One network predicts all quantiles.
"""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import lamina

rng = np.random.default_rng(0)
days = np.arange(1100)
weekday, warmth = days % 7, 12 + 10 * np.sin(2 * np.pi * days / 365) + rng.normal(0, 3, len(days))
holiday = rng.random(len(days)) < 0.04
mean = 120 + 60 * (weekday == 5) - 50 * (weekday == 6) - 1.5 * (warmth - 12) + 70 * holiday
demand = rng.negative_binomial(12, 12 / (12 + mean)).astype(float)  # spreads the more, the larger it is
NAMES = np.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
table = pl.DataFrame({"weekday": NAMES[weekday], "warmth": warmth, "holiday": holiday})

past, future = slice(0, 900), slice(900, None)
model = lamina.MLPRegressor(preset="fast", loss="quantile", quantile=[0.1, 0.5, 0.8, 0.9], random_state=0)
model.fit(table[past], demand[past])
low, median, order, high = model.predict(table[future]).T
average = (
    lamina.MLPRegressor(preset="fast", random_state=0).fit(table[past], demand[past]).predict(table[future])
)


def cost(baked):
    """Of a day, on average."""
    short = demand[future] - baked
    return np.mean(np.where(short > 0, 4 * short, -short))


costs = {"the mean": cost(average), "the median": cost(median), "the 80 % quantile": cost(order)}
for name, value in costs.items():
    print(f"baking {name} costs {value:.1f} a day")
print(f"demand is below the 80 % quantile on {np.mean(demand[future] <= order):.0%} of the days")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=[3, 1.3], layout="constrained")
shown = slice(0, 42)
left.fill_between(days[future][shown], low[shown], high[shown], alpha=0.2, label="10 % to 90 %")
left.step(days[future][shown], order[shown], where="mid", label="order: 80 %")
left.scatter(days[future][shown], demand[future][shown], s=12, color="black", label="demand")
left.set(xlabel="day", ylabel="loaves")
left.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
left.set_ylim(0, 420)
right.barh(list(costs), list(costs.values()), color=["gray", "gray", "C0"])
right.set_xlabel("cost of a day")
right.invert_yaxis()
figure.savefig("stock_quantiles.png")
