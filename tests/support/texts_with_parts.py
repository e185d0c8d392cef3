"""Columns of texts that have parts, with texts that their types may read otherwise, and pieces of such texts."""

import random

import polars as pl

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
        "pattern": [f"{R.randrange(90, 200)}/{R.randrange(50, 110)} ({i % 13}.5 mmHg)" for i in range(N)],
        "label": [R.choice(["EUR {:,}", "USD {:,}.5", "{} £", "Room {}"]).format(60 * i) for i in range(N)],
        "sets": [
            " ".join(
                R.choice(["6-{}", "{}-6", "7-6({})", "6-7({})"]).format(R.randrange(5))
                for _ in range(R.choice([2, 2, 3]))
            )
            for _ in range(N)
        ],
        "innings": [
            R.choice(["{}/{}", "{} all out", "{}/{} dec"]).format(R.randrange(60, 400), i % 10)
            for i in range(N)
        ],
        "flagged": [R.choice(["{} L", "{} H", ">{}", "{}"]).format(i / 8) for i in range(N)],
        "rooms": [
            R.choice(["{} beds, {} baths", "{1} bath", "{} beds"]).format(i % 7, R.randrange(1, 5))
            for i in range(N)
        ],
        "share": [f"{R.randrange(10, 9000):,} of {R.randrange(9000, 99999):,}" for _ in range(N)],
        "money": [R.choice(["free", f"${i:,}.50", f"${30 * i:,}"]) for i in range(N)],
    }
)
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
    "pattern": [
        "120/80 (1 mmHg)",
        " 7/8 (.5 mmHg) ",
        "120/80",
        "1e2/-8 (0.25 mmHg)",
        "12/8 (1.5 mmhg)",
        "1/2/3 (4 mmHg)",
    ],
    "label": [
        "EUR 5",
        "USD 1,234.75",
        "5 £",
        "Room 1234",
        "room 5",
        "EUR 1,23",
        "YEN 5",
        "EUR 5 £",
        " Room -3 ",
        "£ 5",
    ],
    "sets": [
        "6-3 6-4 6-2",
        "6-3",
        " 7-6(12) 6-7(3)",
        "6-3 RET",
        "6.5-3 2-6",
        "6–3 6–4",
        "12-10 6-4 ",
        "((6-3",
    ],
    "innings": [
        "245/7",
        "1,200 all out",
        "245 for 7",
        "12.5/3 dec",
        "245 dec",
        "245/7 all out",
        "all out",
        "/7",
    ],
    "flagged": ["3 L", ">2.5 H", "> 7", "-2 H", "3L", "1e2 L", "2 M", "H", "1.", ",3 L"],
    "rooms": [
        "1 bed, 1 bath",
        "2 Beds",
        "3 baths",
        "2 beds 1 bath",
        "4 beds, 2.5 baths",
        "beds",
        "2 beds, 3",
    ],
    "share": [
        "1 of 2",
        "1,234,567 of 1e7",
        "1,2 of 3",
        "12,345 Of 3",
        ".5 of 1,000.25",
        "1,200of 3",
        "1,200 of",
    ],
    "mixed": ["12", " none ", "1e3", "nothing", "12A", "", "NA", "unknown", "1,000"],
    "money": ["$5", "12", "free", "gift", "5 EUR", "$1.5k", "-$3", "about $5"],
}

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
    "pattern": ["120", "/", "80", " (", "1.5", " mmHg)", "-", "e2", " "],
    "label": ["EUR", "USD", "Room", " ", "£", "1", "234", ",", ".5", "-"],
    "sets": ["6", "-", " ", "7", "(", ")", "12", "."],
    "innings": ["245", "/", "7", " all out", " dec", " ", ".5", ","],
    "flagged": ["1", ".5", " L", " H", ">", " ", "-", "e2"],
    "rooms": ["1", "2", " bed", "s", ", ", " bath", " ", ".5"],
    "share": ["1", "234", ",", " of ", ".5", "-", "000"],
    "mixed": ["1", ".", "none", "unknown", " ", "e", "-", "5"],
    "money": ["$", "1", "5", ",", "000", ".", "free", " ", "k", "-"],
}
