"""The types of columns, with a module per type.

`infer` finds a column's type; all other code calls the type's methods.
"""

from lamina.table.types.base import CHOICES, TYPES, Candidate, Choice, ColumnSchema, ColumnType, register
from lamina.table.types.boolean import Boolean
from lamina.table.types.calendar import Calendar, Interval, intervals_between
from lamina.table.types.category import Category
from lamina.table.types.composite import Composite
from lamina.table.types.date import Date
from lamina.table.types.duration import Duration
from lamina.table.types.email import Email
from lamina.table.types.fields import Fields
from lamina.table.types.ip import IpAddress
from lamina.table.types.lists import Lists
from lamina.table.types.mixed import Mixed
from lamina.table.types.nominal import Nominal
from lamina.table.types.number import Coordinate, Number
from lamina.table.types.ordered import Ordered, ordered_by
from lamina.table.types.pattern import Pattern
from lamina.table.types.period import Period
from lamina.table.types.phone import Phone
from lamina.table.types.pixel import Pixel
from lamina.table.types.quantity import Quantity
from lamina.table.types.record import Record
from lamina.table.types.text import Text
from lamina.table.types.time import TimeOfDay
from lamina.table.types.unused import (
    Alike,
    Constant,
    Dropped,
    Identifier,
    Missing,
    RowNumbers,
    Sentences,
    Uncounted,
    Unreadable,
)
from lamina.table.types.url import Url
from lamina.table.types.vector import Vector
from lamina.table.types.version import Version
from lamina.table.types.written_number import WrittenNumber

__all__ = [
    "CHOICES", "TYPES", "Alike", "Boolean", "Calendar", "Candidate", "Category", "Choice", "ColumnSchema", "ColumnType",
    "Composite", "Constant", "Coordinate", "Date", "Dropped", "Duration", "Fields", "Identifier", "Interval", "Missing",
    "Mixed", "Nominal", "Number", "Ordered", "Pixel", "Quantity", "RowNumbers", "Sentences", "Text", "TimeOfDay",
    "Uncounted", "WrittenNumber", "intervals_between", "ordered_by", "register",
]  # fmt: skip

# The last type is the first to try to recognize a column; columns of no other type are categories.
for _type in (
    Category, Pixel, Version, Vector, Coordinate, Interval, Number, Date, Calendar, TimeOfDay, Duration, Boolean,
    Sentences, Identifier, Text, Pattern, Ordered, WrittenNumber, Mixed, Missing, Constant, RowNumbers, Alike,
    Uncounted, Unreadable, Dropped, Lists, Period, Phone, IpAddress, Email, Url, Record,
):  # fmt: skip
    register(_type())
