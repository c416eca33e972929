"""Values survive the way through a codec, with their types; and what cannot be carried is refused clearly."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import subprocess
import sys
import threading
import uuid
import zoneinfo
from typing import Any, NamedTuple

import numpy
import pytest
from hypothesis import given, settings

from sage.transports import CodecError
from sage.transports.codec import Codec, Types
from tests.transports.codec.values import TYPES, Color, Pair, Point, Span, arrived, same, values

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
UTC = datetime.UTC
ROOT = pathlib.Path(__file__).resolve().parents[3]


@settings(max_examples=150, deadline=None)
@given(values)
def test_whatever_travels_arrives_as_it_was_sent(value: Any) -> None:
    assert same(arrived(value), value)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, 127, 128, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 2**100, -(2**5_000)),
        *(1.5, math.inf, -math.inf, -0.0, math.nan, 1j, complex(-0.0, math.nan)),
        *("", "text é 😀", "\0", b"", b"\x00\xff", b"x" * 70_000),
        *([], [1, [2, []]], (), (1,), (1, (2, ())), {}, {"a": {"b": [1]}}, {1: "int", None: 2, 1.5: 3, b"b": 4}),
        *({(1, ("a", 2)): "tuple"}, {frozenset({1}): "frozenset"}, {Pair(1, 2): 3}, {datetime.date(2026, 1, 2): 4}),
        *(
            set(),
            {"s", 1},
            frozenset(),
            frozenset({1, (2, 3)}),
            range(0),
            range(3, 2**80, 7),
            slice(None),
            slice(1, "b"),
        ),
        *(decimal.Decimal("1.10"), decimal.Decimal("-0E+5"), decimal.Decimal("sNaN12"), decimal.Decimal("-Infinity")),
        *(uuid.UUID(int=7), pathlib.PurePosixPath("/a/é"), pathlib.PureWindowsPath("C:\\a"), pathlib.Path("a/b")),
        *(datetime.date.min, datetime.date.max, datetime.timedelta.min, datetime.timedelta(microseconds=-5)),
        *(UTC, datetime.timezone(datetime.timedelta(hours=-5)), datetime.timezone.max, BERLIN, {BERLIN: UTC}),
        *(datetime.time.max, datetime.time(1, 2, 3, 4, UTC, fold=1), datetime.time(1, tzinfo=BERLIN)),
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-5), "EST")),
        datetime.datetime.min.replace(fold=1),  # noqa: DTZ901  # without a zone, on purpose
        *(array.array("d", [1.5, math.inf]), array.array("b"), array.array("Q", [2**64 - 1] * 10_000)),
        *(Point(1, 2.5), [Point(1, Point((2,), {3}))], Span(start=1, length=2), Pair(1, b"2"), Color.RED, Color.GREEN),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_each_type_that_travels(value: Any) -> None:
    assert same(arrived(value), value)
    assert same(arrived([(value, {"inside": value})]), [(value, {"inside": value})])


def test_mutable_bytes_arrive_as_bytes() -> None:
    for value in (bytearray(b"abc"), memoryview(b"abc"), memoryview(array.array("h", [1, 2]))):
        assert arrived([value]) == [bytes(value)]
        assert type(arrived([value])[0]) is bytes


def test_equal_keys_of_different_types_stay_what_they_are() -> None:
    for key in (1, 1.0, True, numpy.int64(1)):
        assert same(arrived({key: "x"}), {key: "x"})


# --- what is refused --------------------------------------------------------------------------------------------------


class Unknown:
    pass


class Shade(enum.Enum):
    DARK = 1


class Level(enum.IntEnum):
    LOW = 1


class Corner(NamedTuple):
    x: int


@dataclasses.dataclass
class Area:
    corner: Corner


class Scaled(Area):
    def __init__(self, corner: Corner, scale: int) -> None:
        super().__init__(corner)


class OtherZone(datetime.tzinfo):
    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)

    dst = utcoffset

    def tzname(self, moment: datetime.datetime | None) -> str:
        return "other"


@pytest.mark.parametrize(
    ("value", "kind", "remedy"),
    [
        (object(), "object", r"register_type\(object, encode=..., decode=...\) on both sides"),
        (Unknown(), "test_codec.Unknown", r"register_type\(Unknown, encode=..., decode=...\) on both sides"),
        (Area(Corner(1)), "test_codec.Area", r"register_type\(Area\) on both sides"),
        (Scaled(Corner(1), 2), "test_codec.Scaled", r"register_type\(Scaled, encode=..., decode=...\) on both sides"),
        (Corner(1), "test_codec.Corner", r"only tuple itself.*register_type\(Corner\) on both sides"),
        (Shade.DARK, "test_codec.Shade", r"register_type\(Shade\)"),
        (len, "builtin_function_or_method", "register_type"),
        (ValueError("x"), "ValueError", "register_type"),
        (..., "ellipsis", "register_type"),
        (int, "type", "register_type"),
        (collections.OrderedDict(a=1), "OrderedDict", r"only dict itself travels.*register_type\(OrderedDict"),
        (collections.deque([1]), "deque", "register_type"),
        (type("Text", (str,), {})("x"), "Text", r"only str itself travels.*register_type\(Text"),
        (Level.LOW, "test_codec.Level", r"only int itself travels.*register_type\(Level\)"),
        (type("Closer", (Point,), {})(1), "Closer", r"register_type\(Closer\)"),
        (numpy.zeros(2).view(numpy.matrix), "matrix", r"only numpy.ndarray itself travels.*register_type\(matrix"),
        (numpy.array([1, "a", None]), "numpy.ndarray", "holds Python objects"),
        (numpy.array(["a"], dtype=numpy.dtypes.StringDType()), "numpy.ndarray", "holds Python objects"),
        ("\ud800", "str", "os.fsencode"),
        (pathlib.PurePosixPath("\udcff"), "str", "os.fsencode"),
        (array.array("w" if sys.version_info >= (3, 13) else "u", "x"), "array.array", "send a str"),
        (datetime.datetime(2026, 1, 1, tzinfo=OtherZone()), "datetime.datetime", "zoneinfo.ZoneInfo"),
        (datetime.time(tzinfo=OtherZone()), "datetime.time", "datetime.timezone"),
        (OtherZone(), "test_codec.OtherZone", r"register_type\(OtherZone, encode="),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_what_cannot_be_carried_is_refused_and_the_codec_goes_on(value: Any, kind: str, remedy: str) -> None:
    codec = Codec(types=TYPES)
    for item in (value, ["before", {"deep": (1, value)}]):
        with pytest.raises(CodecError, match=rf"(?s)cannot encode a value of type .*{kind}.*{remedy}"):
            codec.encode(item)
        assert arrived({"still": (1, "works")}, codec) == {"still": (1, "works")}


@pytest.mark.parametrize(
    ("holder", "place"),
    [
        (lambda x: [1, x], "[1]"),
        (lambda x: {"a": [{"b": x}]}, "['a'][0]['b']"),
        (lambda x: {"a": Point(1, (x,))}, "['a'].y[0]"),
        (lambda x: [Pair(x, 1)], "[0].left"),
        (lambda x: {x: 1}, " (the key Unknown)"),
        (lambda x: {1: {x}}, "[1] (the element Unknown)"),
    ],
)
def test_an_error_tells_where_the_culprit_sits(holder: Any, place: str) -> None:
    with pytest.raises(CodecError) as caught:
        Codec(types=TYPES).encode(holder(Unknown()))
    assert f"Unknown at {place}: " in str(caught.value)


def test_an_error_in_a_batch_tells_which_item_it_was() -> None:
    with pytest.raises(CodecError, match=r"at \[2\]\['a'\]: "):
        Codec().encode_items([1, 2, {"a": object()}])


def test_looking_for_a_place_ends_in_large_and_in_cyclic_values() -> None:
    cycle: list[Any] = []
    cycle += [cycle, Unknown()]
    with pytest.raises(CodecError, match="holds itself"):
        Codec().encode(cycle)
    with pytest.raises(CodecError, match=r"type .*Unknown at \[1\]: "):
        Codec().encode([0, Unknown(), cycle])
    with pytest.raises(CodecError, match=r"type .*Unknown: "):
        Codec().encode([*([0] * 20 for _ in range(1_000)), [Unknown()]])  # too far away


@pytest.mark.parametrize("view", [memoryview(b"abcdef")[::2], numpy.zeros((2, 3)).T.data], ids=["gaps", "order"])
def test_a_memoryview_that_is_not_contiguous_is_refused(view: memoryview) -> None:
    with pytest.raises(CodecError, match=r"not C-contiguous: send numpy.asarray\(view\), or bytes"):
        Codec().encode([view])
    assert arrived(bytes(view)) == bytes(view)
    assert same(arrived(numpy.asarray(view)), numpy.asarray(view))


# --- depth ------------------------------------------------------------------------------------------------------------


def nested(levels: int, innermost: Any = None, wrap: Any = lambda inner: [inner]) -> Any:
    for _ in range(levels):
        innermost = wrap(innermost)
    return innermost


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"k": x}, lambda x: (x,), lambda x: Pair(x, 0)])
def test_values_that_nest_without_end_are_refused(wrap: Any) -> None:
    with pytest.raises(CodecError, match="a thousand levels"):
        Codec(types=TYPES).encode(nested(2_000, None, wrap))
    cycle: list[Any] = []
    cycle.append(wrap(cycle))
    with pytest.raises(CodecError, match="holds itself"):
        Codec(types=TYPES).encode(cycle)


@pytest.mark.parametrize("innermost", [0, [], {}, [1], ()])
@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: {"k": x}])
def test_what_can_be_encoded_can_be_decoded_however_deep(innermost: Any, wrap: Any) -> None:
    codec = Codec()
    refused = 0
    for levels in range(1_015, 1_030):
        value = nested(levels, innermost, wrap)
        try:
            encoded = codec.encode(value)
        except CodecError:
            refused += 1
            continue
        assert refused == 0
        back = codec.decode(*encoded)
        for _ in range(levels):
            assert type(back) is type(value)
            (back,) = back.values() if type(back) is dict else back
            (value,) = value.values() if type(value) is dict else value
        assert back == innermost
    assert refused > 0


# --- the codec itself -------------------------------------------------------------------------------------------------


def test_more_bytes_than_allowed_are_refused_on_either_side() -> None:
    small, large = Codec(max_bytes=1_000), Codec()
    assert arrived(b"x" * 900, small) == b"x" * 900
    for value in (b"x" * 1_000, numpy.zeros(100_000), list(range(1_000))):
        with pytest.raises(CodecError, match=r"limit of 1,000 \(max_bytes\)"):
            small.encode(value)
        with pytest.raises(CodecError, match=r"limit of 1,000 \(max_bytes\)"):
            small.decode(*large.encode(value))
    assert arrived("still works", small) == "still works"


def test_a_frame_of_several_items_is_not_one_value() -> None:
    codec = Codec()
    with pytest.raises(CodecError, match="a frame of 2 items"):
        codec.decode(*codec.encode_items([1, 2]))


def test_a_codec_can_be_used_from_within_the_functions_of_a_type() -> None:
    types = Types()
    codec = Codec(types=types)

    class Sealed:
        def __init__(self, content: Any) -> None:
            self.content = content

    types.register(
        Sealed,
        encode=lambda sealed: codec.encode(sealed.content).body,
        decode=lambda body: Sealed(codec.decode(body)),
    )
    back = arrived([1, Sealed((2, Sealed({3}))), (4,)], codec)
    assert [back[0], back[1].content[0], back[1].content[1].content, back[2]] == [1, 2, {3}, (4,)]


def test_threads_can_share_a_codec() -> None:
    codec = Codec(types=TYPES)
    wrong: list[Any] = []

    def go_round(number: int) -> None:
        for turn in range(200):
            value = [(number, turn), Point(number, {turn}), {"a": (number,) * 5}]
            if not same(arrived(value, codec), value):
                wrong.append(value)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=go_round, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_nothing_is_loaded_that_the_program_does_not_use() -> None:
    program = (
        "import sys, sage, sage.transports; first = 'msgpack' in sys.modules\n"
        "from sage.transports.codec import Codec; c = Codec(); c.decode(*c.encode([(1,), {2}]))\n"
        "print(first, *sorted({'numpy', 'cloudpickle'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["False"], "")
