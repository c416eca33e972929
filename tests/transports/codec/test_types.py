"""Registered classes: what arrives, what is refused, and what names mean."""

import dataclasses
import enum
import fractions
from collections import namedtuple
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pytest

from sage.transports import CodecError, TransportError
from sage.transports.codec import DEFAULT_TYPES, Codec, InvalidType, Types, register_type
from tests.transports.codec.values import arrived

T = TypeVar("T")


@pytest.fixture
def types() -> Types:
    return Types()


@pytest.fixture
def codec(types: Types) -> Codec:
    return Codec(types=types)


# --- what arrives -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Mutable:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)
    shared: ClassVar[int] = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    x: int
    _private: Any = None


@dataclasses.dataclass
class Computed:
    x: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.x += 1
        self.double = 2 * self.x


@dataclasses.dataclass
class Counted:
    x: int

    def __post_init__(self) -> None:
        self.x += 1


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenComputed:
    x: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "double", 2 * self.x)


@dataclasses.dataclass
class Empty:
    pass


@dataclasses.dataclass
class Single(Generic[T]):
    only: T


class Typed(NamedTuple):
    a: Any
    b: Any = 2


Bare = namedtuple("Bare", "a b")  # the old way, on purpose


class Plain(enum.Enum):
    ONE = 1
    UNO = ONE
    LIST = (1, 2)


class Letter(enum.StrEnum):
    A = "a"


class Bits(enum.Flag):
    READ = 1
    WRITE = 2


@pytest.mark.parametrize(
    "value",
    [
        *(
            Mutable(1, ["a"]),
            Frozen(x=1, _private=(1,)),
            Computed(1),
            Counted(1),
            FrozenComputed(3),
            Empty(),
            Single((1, {2})),
        ),
        *(Typed(1, (2,)), Bare(1, [2]), Plain.ONE, Plain.UNO, Plain.LIST, Letter.A, Bits.READ, Bits.READ | Bits.WRITE),
    ],
    ids=repr,
)
def test_what_is_registered_arrives_as_it_was(types: Types, codec: Codec, value: Any) -> None:
    types.register(type(value))
    for sent in (value, [value], {"inside": (value,)}):
        back = arrived(sent, codec)
        assert back == sent
        assert type(back) is type(sent)
    assert type(arrived([value], codec)[0]) is type(value)


def test_members_of_enums_arrive_as_themselves(types: Types, codec: Codec) -> None:
    types.register(Plain)
    assert arrived(Plain.LIST, codec) is Plain.LIST


def test_other_classes_travel_by_two_functions(types: Types, codec: Codec) -> None:
    types.register(Mutable)
    types.register(
        fractions.Fraction,
        encode=lambda f: (f.numerator, Mutable(f.denominator)),
        decode=lambda pair: fractions.Fraction(pair[0], pair[1].x),
    )
    value = [fractions.Fraction(3, 7), {fractions.Fraction(1, 2): 1}]
    assert arrived(value, codec) == value


def test_the_functions_come_before_the_fields(types: Types, codec: Codec) -> None:
    types.register(Mutable, encode=lambda value: value.x, decode=lambda x: Mutable(x, ["made"]))
    assert arrived(Mutable(1, ["sent"]), codec) == Mutable(1, ["made"])


def test_a_field_that_is_new_here_gets_its_default(types: Types) -> None:
    @dataclasses.dataclass
    class Old:
        x: int

    there = Types()
    there.register(Old, name="point")
    types.register(Mutable, name="point")
    assert Codec(types=types).decode(*Codec(types=there).encode(Old(5))) == Mutable(5, [])


# --- the registry -----------------------------------------------------------------------------------------------------


def test_register_type_is_a_decorator_and_registers_for_the_process() -> None:
    @register_type
    @dataclasses.dataclass
    class Local:
        x: int

    assert arrived(Local(1), Codec()) == Local(1)
    entry = DEFAULT_TYPES.of_class(Local)
    assert entry is not None
    assert entry.name.decode() == f"{__name__}:{Local.__qualname__}"
    assert "<locals>" in Local.__qualname__


def test_names_can_be_chosen_and_are_told_by_errors(types: Types, codec: Codec) -> None:
    types.register(Mutable, name="orders/möglich")
    body, buffers = codec.encode(Mutable(1))
    assert "orders/möglich".encode() in body
    with pytest.raises(CodecError, match=r"'orders/möglich' is not known here: call register_type"):
        Codec(types=Types()).decode(body, buffers)


def test_registering_again_replaces(types: Types, codec: Codec) -> None:
    types.register(Mutable)
    types.register(Mutable, name="other")
    assert b"other" in codec.encode(Mutable(1)).body
    assert arrived(Mutable(1), codec) == Mutable(1)
    with pytest.raises(CodecError, match="not known"):
        codec.decode(*_encoded_under(f"{__name__}:Mutable"))


def _encoded_under(name: str) -> Any:
    there = Types()
    there.register(Mutable, name=name)
    return Codec(types=there).encode(Mutable(1))


def test_a_class_that_was_loaded_anew_replaces_the_earlier_one(types: Types, codec: Codec) -> None:
    def load() -> Any:
        @dataclasses.dataclass
        class Reloaded:
            x: int

        return types.register(Reloaded)

    earlier, later = load(), load()
    assert type(arrived(later(1), codec)) is later
    with pytest.raises(CodecError, match="register_type"):
        codec.encode(earlier(1))


def test_two_classes_cannot_share_a_name(types: Types, codec: Codec) -> None:
    types.register(Mutable, name="point")
    with pytest.raises(
        InvalidType, match=rf"'point': {__name__}:Mutable is, so give {__name__}:Frozen another"
    ) as caught:
        types.register(Frozen, name="point")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TransportError)
    assert arrived(Mutable(1), codec) == Mutable(1)


def test_a_refused_registration_changes_nothing(types: Types, codec: Codec) -> None:
    types.register(Mutable)
    with pytest.raises(InvalidType):
        types.register(Mutable, encode=vars)
    assert arrived(Mutable(1), codec) == Mutable(1)


def test_the_main_module_of_a_spawned_process_is_the_main_module(types: Types) -> None:
    spawned = dataclasses.make_dataclass("Spawned", ["x"], namespace={"__module__": "__mp_main__"})
    spawned.__module__ = "__mp_main__"
    types.register(spawned)
    entry = types.of_class(spawned)
    assert entry is not None
    assert entry.name == b"__main__:Spawned"
    assert types.of_name(b"__main__:Spawned") is entry


class Ordinary:
    pass


@dataclasses.dataclass
class Parameters:
    x: int
    scale: dataclasses.InitVar[int]


@dataclasses.dataclass(init=False)
class OwnInit:
    x: int

    def __init__(self) -> None:
        self.x = 1


@dataclasses.dataclass
class Holder(list[Any]):
    x: int


@pytest.mark.parametrize(
    ("cls", "options", "reason"),
    [
        (Ordinary, {}, r":Ordinary is no dataclass .*@register_type goes above @dataclass.*give encode= and decode="),
        (Ordinary, {"encode": vars}, "give both encode= and decode="),
        (Ordinary, {"decode": vars}, "give both encode= and decode="),
        (Parameters, {}, "wants scale, which is no field: give encode="),
        (OwnInit, {}, "does not take the field x: give encode="),
        (Holder, {}, "holds something beside the fields: give encode="),
        (int, {}, "int travels already"),
        (tuple, {"encode": list, "decode": tuple}, "tuple travels already"),
        (Mutable, {"name": "x" * 256}, "at most 255"),
        (Mutable(1), {}, "takes a class"),
    ],
    ids=str,
)
def test_what_cannot_be_registered_is_refused(types: Types, cls: Any, options: Any, reason: str) -> None:
    with pytest.raises(InvalidType, match=reason):
        types.register(cls, **options)


def test_types_of_numpy_cannot_be_registered(types: Types) -> None:
    numpy = pytest.importorskip("numpy")
    for cls in (numpy.ndarray, numpy.float64):
        with pytest.raises(InvalidType, match="travels already"):
            types.register(cls, encode=list, decode=list)


# --- errors on the way ------------------------------------------------------------------------------------------------


def test_errors_of_the_functions_name_the_type(types: Types, codec: Codec) -> None:
    def fail(value: Any) -> Any:
        raise LookupError("no such thing")

    types.register(Ordinary, encode=fail, decode=fail)
    with pytest.raises(CodecError, match=r"test_types.Ordinary at \[1\]: LookupError: no such thing") as caught:
        codec.encode([1, Ordinary()])
    assert isinstance(caught.value.__cause__, LookupError)
    there = Types()
    there.register(Ordinary, name=f"{__name__}:Ordinary", encode=lambda value: 1, decode=lambda value: value)
    with pytest.raises(CodecError, match=r"test_types:Ordinary': LookupError: no such thing") as caught:
        codec.decode(*Codec(types=there).encode(Ordinary()))
    assert isinstance(caught.value.__cause__, LookupError)


def test_what_encode_gives_must_travel_itself(types: Types, codec: Codec) -> None:
    types.register(Ordinary, encode=lambda value: [object()], decode=lambda value: value)
    with pytest.raises(CodecError, match="cannot encode a value of type object: "):
        codec.encode(Ordinary())
    types.register(Ordinary, encode=lambda value: value, decode=lambda value: value)
    with pytest.raises(CodecError, match="holds itself"):
        codec.encode(Ordinary())


def test_a_field_that_was_never_set_is_told(types: Types, codec: Codec) -> None:
    types.register(Computed)
    value = Computed(1)
    del value.double
    with pytest.raises(CodecError, match=r"Computed: AttributeError: .*double"):
        codec.encode(value)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"x": 1, "y": 2}, "unexpected keyword argument 'y'"),
        ({}, "missing 1 required positional argument: 'x'"),
        (5, "must be a mapping"),
    ],
)
def test_fields_that_do_not_fit_are_refused(types: Types, codec: Codec, sent: Any, expected: str) -> None:
    types.register(Mutable, name="point")
    there = Types()
    there.register(Ordinary, name="point", encode=lambda value: sent, decode=lambda value: value)
    with pytest.raises(CodecError, match=rf"cannot decode: a value of type 'point': TypeError: .*{expected}"):
        codec.decode(*Codec(types=there).encode(Ordinary()))


def test_nothing_but_fields_is_set(types: Types, codec: Codec) -> None:
    types.register(Computed, name="point")
    there = Types()
    there.register(Ordinary, name="point", encode=lambda value: {"x": 1, "__class__": 5}, decode=lambda value: value)
    with pytest.raises(CodecError, match="it has no field '__class__'"):
        codec.decode(*Codec(types=there).encode(Ordinary()))


def test_members_that_are_not_there_are_refused(types: Types, codec: Codec) -> None:
    types.register(Plain, name="plain")
    there = Types()
    there.register(Bits, name="plain")
    with pytest.raises(CodecError, match="'plain': KeyError: 2"):
        codec.decode(*Codec(types=there).encode(Bits.WRITE))
