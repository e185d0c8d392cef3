"""Libraries read addresses, versions, lists, vectors, and words among numbers as `predict` does, or refuse them."""

import random

import numpy as np
import polars as pl
import pytest
from c_library import TableLibrary, needs_linker

import lamina

pytestmark = [
    needs_linker,
    pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning", "ignore:the optimizer reached"),
]

N = 240
R = random.Random(5)
FRAME = pl.DataFrame(
    {
        "version": [
            f"{R.randrange(4)}.{R.randrange(9)}.{i % 9}" + R.choice(["", "-rc1", "b2", ".7"])
            for i in range(N)
        ],
        "email": [
            R.choice(["Ada <a{}@X.com>", "u{}@mail.b.org", "m{}@b.org"]).format(i % 50) for i in range(N)
        ],
        "phone": [
            R.choice(["+49 30 9{:06}", "(415) 555-{:04}", "+44 (0)20 7{:06}"]).format(i % 60)
            for i in range(N)
        ],
        "ip": [
            R.choice(["10.{}.{}.9", "192.168.{}.{}", "8.8.{}.{}:80"]).format(i % 7, i % 40) for i in range(N)
        ],
        "url": [
            R.choice(
                ["https://www.a.com/x/p{}.html?q=1&l=en", "http://b.org/", "www.c.net/y?l=de#top"]
            ).format(i % 30)
            for i in range(N)
        ],
        "list": [
            "|".join(R.sample(["Comedy", "Drama", "Horror", "War", "Épée", f"rare{i % 90}"], R.randint(1, 4)))
            for i in range(N)
        ],
        "quoted": [
            str(R.sample(["red", "green", "dark blue", f"q{i % 90}"], R.randint(1, 3))) for i in range(N)
        ],
        "vector": [f"{R.uniform(-90, 90):.3f}, {R.uniform(-180, 180):.3f}" for _ in range(N)],
        "size": [f"{i % 9 + 1}x{i % 30}.5 cm" for i in range(N)],
        "mixed": [R.choice(["none", "unknown", f"{i}.25", f"{i}.5", f"{i % 30}"]) for i in range(N)],
        "money": [R.choice(["free", f"${i:,}.50", f"${30 * i:,}"]) for i in range(N)],
    }
)
TYPE = {"quoted": "list", "size": "vector", "money": "mixed"}

OTHERS = {
    "version": ["v1.2.3+x", "1.2", "soon", "1.2.3.4-Beta", "1.2.ü", " 1.2.3 ", "0.0.0"],
    "email": ["x@B.ORG", "nobody", "<q@new.x.com>", "ü@b.org", "mailto:a@x.com", "a@b@c.org"],
    "phone": [
        "+49 (0) 30 12345",
        "00493012345",
        "+1 415 555 2671",
        "1-212-555-0000 x12",
        "+4 9 30 12345",
        "+123 45",
        "no",
    ],
    "ip": [
        "10.0.0.1:80",
        "8.8.8.8/24",
        "256.1.1.1",
        "01.2.3.4",
        "::1",
        "[2001:db8::1]:80",
        "172.16.0.9",
        "here",
    ],
    "url": [
        "HTTPS://A.COM",
        "http://u:p@b.org:80//x//y.PDF/",
        "http://b.org?l=en&q=2&q=3",
        "http://b.org/?a%20b=1",
        "http://b.org/?q=a%20b+c",
        "ftp://[::1]/",
        "/only/path",
        "http://ü.de/",
        "http://b.org/?z=1",
        "https://a.com/a/" + "b" * 300,
    ],
    "list": [
        "",
        " | ",
        "Drama",
        "Drama|Drama",
        "new|new|newer",
        '["War"]',
        " War | Épée ",
        "War|" * 90,
        "[War|x",
    ],
    "quoted": [
        "[]",
        "['red']",
        '["green", "dark blue"]',
        "red",
        "['a, b']",
        "[1, 2]",
        "('red',)",
        "['x\\'y']",
        "['red', 'red']",
    ],
    "vector": [
        "1 2",
        "POINT(2.5 48)",
        "[1e2,-3]",
        "1,2,3",
        "1",
        "x",
        "1,null",
        "23.5°N 99.5°W",
        "0.1234567890123456789,1",
    ],
    "size": ["4 x 5", "4x5 cm", "4x5 mm", "4 × 5.5cm", "4x5x6 cm"],
    "mixed": ["12", " none ", "1e3", "nothing", "12A", "", "NA", "unknown", "1,000"],
    "money": ["$5", "12", "free", "gift", "5 EUR", "$1.5k", "-$3", "about $5"],
}
READ = {
    "version": 6,
    "email": 5,
    "phone": 5,
    "ip": 6,
    "url": 5,
    "list": 7,
    "quoted": 5,
    "vector": 5,
    "size": 3,
    "mixed": 7,
    "money": 6,
}
"""Minimum number of `OTHERS` that are read."""


@pytest.fixture(scope="module")
def model():
    target = np.random.default_rng(0).normal(size=N)
    settings = {"preset": "fast", "random_state": 0, "max_iter": 2, "members": 1, "hidden_layer_sizes": (8,)}
    return lamina.MLPRegressor(**settings).fit(FRAME, target)


@pytest.fixture(scope="module")
def library(model, tmp_path_factory):
    return TableLibrary(model, tmp_path_factory.mktemp("parts") / "shop.so")


def test_columns_are_fields(model, library):
    schema = model.fitted_.encoder.schema
    assert {name: schema[name].type.tag for name in FRAME.columns} == {
        n: TYPE.get(n, n) for n in FRAME.columns
    }
    assert [field.name for field in library.fields] == [
        "version",
        "email",
        "phone",
        "ip",
        "url",
        "list",
        "quoted",
        "vector",
        "size",
        "mixed",
        "money",
    ]


def test_rows_of_training(model, library):
    np.testing.assert_array_equal(library.predict(FRAME)[0][:, 0], model.predict(FRAME))


@pytest.mark.parametrize("name", OTHERS)
def test_other_texts(model, library, name):
    texts = [*OTHERS[name], None]
    frame = pl.concat([FRAME[:1]] * len(texts)).with_columns(pl.Series(name, texts))
    wanted, rows = model.predict(frame), library.rows(frame)
    read = 0
    for i, text in enumerate(texts):
        code, values, _ = library.call(np.ascontiguousarray(rows[i : i + 1]))
        assert code in (0, 1 + FRAME.columns.index(name)), (text, code)
        assert code or values[0, 0] == wanted[i], (text, values[0, 0], wanted[i])
        read += code == 0
    assert read > READ[name]


PIECES = {
    "version": ["1", "22", ".", "-", "rc", "v", " ", "+"],
    "email": ["a", "@", ".", "org", "X", "<", ">", "mailto:", ",", " "],
    "phone": ["+49", "00", "(0)", "(", ")", " ", "-", "30", "0", "123", "4567", "x1", "1"],
    "ip": ["10", "255", "256", ".", ".", ":", "/", "0", "1", "80"],
    "url": [
        "http://",
        "www.",
        "a.com",
        "b.org",
        "/",
        "?",
        "&",
        "q",
        "=",
        "#",
        "%",
        "x.html",
        "l=en",
        ":80",
        "@",
        ".",
    ],
    "list": ["War", "Drama", "|", "|", " ", "new", "[", "]", "É"],
    "quoted": ["[", "]", "'red'", '"green"', ",", " ", "'", "1", "0", "new"],
    "vector": ["1", "-2.5", ",", " ", "e3", ".", "(", ")", "x", "null", "[", "]"],
    "size": ["4", "5.5", "x", " cm", "cm", " ", "mm"],
    "mixed": ["1", ".", "none", "unknown", " ", "e", "-", "5"],
    "money": ["$", "1", "5", ",", "000", ".", "free", " ", "k", "-"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PIECES)
def test_any_text(model, library, name):
    pieces, chance = PIECES[name], random.Random(name)
    texts = ["".join(chance.choices(pieces, k=chance.randint(1, 9))) for _ in range(1500)]
    texts += [chance.choice(FRAME[name].to_list()).replace(*chance.sample(pieces, 2)) for _ in range(1500)]
    frame = pl.concat([FRAME[:1]] * len(texts)).with_columns(pl.Series(name, texts))
    wanted, rows = model.predict(frame), library.rows(frame)
    called = [library.call(np.ascontiguousarray(rows[i : i + 1])) for i in range(len(texts))]
    wrong = [
        (text, values[0, 0], number)
        for text, (code, values, _), number in zip(texts, called, wanted, strict=True)
        if code == 0 and values[0, 0] != number
    ]
    assert not wrong
    assert sum(code == 0 for code, _, _ in called) > len(texts) / 4
