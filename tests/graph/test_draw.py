"""Pictures of a graph."""

import sage


def shown(env: sage.Environment) -> str:
    return env.graph().text()


def program() -> sage.Environment:
    env = sage.Environment("seen")
    loop = env.feedback(name="again")
    numbers = env.from_iterable([1], name="numbers").union(loop.stream)
    text = numbers.map(str, name="to text", parallelism=2, on_error=sage.DeadLetter())
    text.side_output("dead_letters").sink(print, name="dead")
    text.key_by(len, name="by length").count(name="count", parallelism=3).sink(print, name="show")
    loop.close(text.rebalance())
    return env


def test_text_has_a_line_for_each_operator_with_what_it_reads() -> None:
    assert shown(program()).splitlines() == [
        "again       ◀─ to text (rebalance, loop)",
        "numbers        (source)",
        "to text ×2  ◀─ numbers, again",
        "dead        ◀─ to text (dead_letters)",
        "by length   ◀─ to text",
        "count ×3    ◀─ by length (hash)",
        "show        ◀─ count",
    ]


def test_the_text_is_what_is_printed() -> None:
    view = program().graph()
    assert str(view) == view.text()


def test_an_empty_graph() -> None:
    view = sage.Environment("empty").graph()
    assert (view.text(), view.mermaid()) == ("", "flowchart LR")


def test_mermaid() -> None:
    assert program().graph().mermaid().splitlines() == [
        "flowchart LR",
        '    n0(("again"))',
        '    n1(["numbers"])',
        '    n2["to text ×2"]',
        '    n3[["dead"]]',
        '    n4["by length"]',
        '    n5["count ×3"]',
        '    n6[["show"]]',
        "    n1 --> n2",
        "    n0 --> n2",
        '    n2 -->|"dead_letters"| n3',
        "    n2 --> n4",
        '    n4 -->|"hash"| n5',
        "    n5 --> n6",
        '    n2 -.->|"rebalance, loop"| n0',
    ]


def test_notes_are_a_second_line() -> None:
    env = sage.Environment("notes")
    env.from_iterable([1], name="numbers").sink(print, name="show")
    lines = env.graph().mermaid({"show": "5 in, <1 s", "unknown": "?"}).splitlines()
    assert lines[1:3] == ['    n0(["numbers"])', '    n1[["show<br/><small>5 in, #lt;1 s</small>"]]']


def test_what_means_something_to_mermaid_is_escaped() -> None:
    env = sage.Environment("escaped")
    env.from_iterable([1], name='a "b" <c> & d|e #quot; [f]').route(str, name="parts")['x|"y"'].sink(print, name="show")
    lines = env.graph().mermaid().splitlines()
    assert lines[1] == '    n0(["a #quot;b#quot; #lt;c#gt; #amp; d#124;e #35;quot; [f]"])'
    assert lines[-1] == '    n1 -->|"x#124;#quot;y#quot;"| n2'


def test_a_name_of_several_lines_stays_on_one() -> None:
    env = sage.Environment("lines")
    env.from_iterable([1], name="one\ntwo").sink(print, name="show")
    assert env.graph().mermaid().splitlines()[1] == '    n0(["one two"])'
    assert shown(env).splitlines() == ["one two     (source)", "show     ◀─ one two"]
