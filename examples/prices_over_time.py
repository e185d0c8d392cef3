"""What will flats cost next year, in buildings that were never sold before?

python examples/prices_over_time.py

Flats of one building resemble each other, so a building's rows either train or validate (`groups`). Next year differs
from last year, so rows that validate come after those that train (`time`). Networks do not extrapolate a trend well,
so this one predicts the difference to a straight line.
"""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import lamina

rng = np.random.default_rng(0)
count, buildings = 3000, 400
districts = np.array(["Harbour", "Old Town", "Park", "Station"])
building = rng.integers(buildings, size=count)
month = rng.integers(96, size=count)  # since January 2018
district = districts[building % 4]
level = np.array([5200, 6000, 4700, 3900])[building % 4] * np.exp(rng.normal(0, 0.06, buildings))[building]
season = 1 + 0.03 * np.sin(2 * np.pi * month / 12)
area = rng.uniform(25, 140, count)
price = (
    level * season * (1.004**month) * (area / 70) ** -0.1 * np.exp(rng.normal(0, 0.05, count))
)  # of a square metre

flats = pl.DataFrame({"district": district, "area": area, "month of year": month % 12, "month": month})
known = (month < 84) & (building < 200)  # seven years, half of the buildings
new = (month >= 84) & (building >= 200)
slope, start = np.polyfit(month[known], np.log(price[known]), 1)
trend = start + slope * month

model = lamina.MLPRegressor(preset="fast", members=2, early_stopping=True, random_state=0)
model.fit(flats.filter(known), np.log(price[known]) - trend[known], groups=building[known], time=month[known])
predicted = np.exp(model.predict(flats.filter(new)) + trend[new])
low, high = (np.exp(limit + trend[new]) for limit in model.predict_interval(flats.filter(new), coverage=0.9))
error = np.mean(np.abs(predicted / price[new] - 1))
held = np.mean((low <= price[new]) & (price[new] <= high))
print(
    f"{new.sum()} sales of the last year, in new buildings: mean error {error:.1%}, {held:.0%} within the 90 % interval"
)


def by_month(months, values):
    """Each month's median."""
    shown = np.unique(months)
    return 2018 + shown / 12, np.array([np.median(values[months == one]) for one in shown])


figure, axes = plt.subplots(2, 2, figsize=(7.6, 4.4), sharex=True, sharey=True, layout="constrained")
for axis, name in zip(axes.flat, districts, strict=True):
    here, there = known & (district == name), district[new] == name
    axis.plot(*by_month(month[here], price[here]), color="gray", label="known sales")
    when, middle = by_month(month[new][there], predicted[there])
    bounds = [by_month(month[new][there], limit[there])[1] for limit in (low, high)]
    axis.fill_between(when, *bounds, alpha=0.2, label="90 % of new sales")
    axis.plot(when, middle, label="predicted")
    axis.scatter(2018 + month[new][there] / 12, price[new][there], s=4, color="black", label="new sales")
    axis.set_title(name, fontsize=10)
    axis.set_xlim(2021.5, 2026)
axes[0, 0].legend(frameon=False, fontsize=7, loc="upper left")
figure.supylabel("price of a square metre")
figure.savefig("prices_over_time.png", dpi=90)
