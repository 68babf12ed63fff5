"""Expressions over what a turn says, written by users: bounded in size and time, and never Python's own ``eval``.

The text is parsed, and refused unless it is made of the few things below; what is left is evaluated by simpleeval, of
whose abilities the others (powers, attributes, subscripts, formatted texts) are taken away as well: before 1.0.5 an
attribute of a name could lead to a module (CVE-2026-32640). There are no loops, and operators work on numbers or short
texts, so the time that one turn takes is bounded by the number of the expression's parts.
"""

import ast
import operator
import threading
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

from ...fillers import ConfigError, UsageError
from ._facts import TurnFacts
from ._names import HEARD, NAMES, Names, NotToldError

MAX_CHARACTERS = 500
MAX_PARTS = 200
"""Nodes of the parsed expression."""
MAX_DEPTH = 25
"""Levels of nesting: simpleeval calls itself for each."""
MAX_NUMBER = 1e15
REMEDY = "write numbers, texts, + - * /, comparisons, in, and, or, not, if-else, abs, min, max and names of a turn"

Result = float | bool | str


def _numbers(apply: Callable[[float, float], float]) -> Callable[[Result, Result], float]:
    """Return *apply* for numbers alone: texts would be repeated or formatted, and whole numbers grow without bound."""
    return lambda left, right: apply(_number(left), _number(right))


def _number(value: Result) -> float:
    if isinstance(value, str):
        raise TypeError("a text is no number")
    return float(value)


OPERATORS: dict[type[ast.AST], Callable[..., Result]] = {
    ast.Add: _numbers(operator.add),
    ast.Sub: _numbers(operator.sub),
    ast.Mult: _numbers(operator.mul),
    ast.Div: _numbers(operator.truediv),
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Not: operator.not_,
    ast.USub: lambda value: -_number(value),
    ast.UAdd: lambda value: _number(value),
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
FUNCTIONS: dict[str, Callable[..., Result]] = {
    "abs": lambda value: abs(_number(value)),
    "min": lambda *values: min(map(_number, values)),
    "max": lambda *values: max(map(_number, values)),
}
NODES = (
    ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call,
)  # fmt: skip
"""What is evaluated; the rest of what a parsed expression holds are operators and marks."""
ALLOWED = (*NODES, *OPERATORS, ast.Expr, ast.And, ast.Or, ast.Load)


class Expression:
    """One expression, ready to be evaluated for many turns, by any thread.

    Args:
        text: As the user wrote it.
        where: What it is, for messages: "metric 'slow': of".

    Raises:
        ConfigError: naming *where*, what is wrong with the expression and what to write instead.
        UsageError: with the install command, if simpleeval is missing.
    """

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._text = text.strip()
        _evaluator()  # tells at once if simpleeval is missing
        self._node = self._parsed()
        self._names = {node.id for node in ast.walk(self._node) if isinstance(node, ast.Name)} - FUNCTIONS.keys()

    @cached_property
    def needs_heard(self) -> bool:
        """Whether only turns tell it of which it is known what was heard."""
        return not self._names.isdisjoint(HEARD)

    def condition(self, turn: TurnFacts) -> bool | None:
        """Return whether it is true of *turn*; None if the turn does not tell.

        Raises:
            ConfigError: if it is a number or a text.
        """
        value = self._value(turn)
        if value is None or isinstance(value, bool):
            return value
        raise self._error(f"gives {_kind(value)}; write a condition, such as longest_dead_air_s > 1")

    def number(self, turn: TurnFacts) -> float | None:
        """Return what it is of *turn*; None if the turn does not tell, or it is no number up to `MAX_NUMBER` there.

        Raises:
            ConfigError: if it is a text.
        """
        value = self._value(turn)
        if isinstance(value, str):
            raise self._error("gives a text; write an expression that gives a number, such as first_sound_s")
        return None if value is None else float(value)

    def _value(self, turn: TurnFacts) -> Result | None:
        evaluator = _evaluator()
        evaluator.names = Names(turn)
        try:
            value = evaluator.eval(self._text, previously_parsed=self._node.value)
        except (NotToldError, ArithmeticError):  # not known, divided by 0, or beyond all numbers
            return None
        except TypeError as exc:
            raise self._error(f"mixes texts and numbers in turn {turn.id} ({exc}); compare texts with texts") from None
        if isinstance(value, str | bool):
            return value
        return float(value) if abs(value) <= MAX_NUMBER else None

    def _parsed(self) -> ast.Expr:
        if not self._text:
            raise self._error("is empty; write an expression, such as first_sound_s")
        if len(self._text) > MAX_CHARACTERS:
            raise self._error(f"has {len(self._text)} characters; write at most {MAX_CHARACTERS}")
        try:
            with warnings.catch_warnings():  # Python's advice on odd spellings is for programmers
                warnings.simplefilter("ignore")
                tree = ast.parse(self._text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
            reason = exc.msg if isinstance(exc, SyntaxError) else "too deep or with characters that no text may hold"
            raise self._error(f"cannot be read ({reason}); {REMEDY}") from None
        body = tree.body
        if len(body) != 1 or not isinstance(body[0], ast.Expr):
            raise self._error(f"is no single expression; {REMEDY}")
        self._check_size(body[0])
        nodes = list(ast.walk(body[0]))
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        for node in nodes:
            if id(node) not in called:  # what is called, its call checks
                self._check(node)
        return body[0]

    def _check_size(self, root: ast.AST) -> None:
        level, parts, depth = [root], 0, 0
        while level:
            parts, depth = parts + len(level), depth + 1
            if parts > MAX_PARTS or depth > MAX_DEPTH:
                raise self._error(
                    f"is too large or too deep; write at most {MAX_PARTS} parts in {MAX_DEPTH} levels, or two metrics"
                )
            level = [child for node in level for child in ast.iter_child_nodes(node)]

    def _check(self, node: ast.AST) -> None:
        """Refuse *node* if it is none of what may be written."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                needed = 1 if name == "abs" else 2
                if len(args) < needed or (name == "abs" and len(args) > 1):
                    raise self._error(f"gives {name} {len(args)} values; write abs(a), min(a, b) or max(a, b)")
            case ast.Call(func=func):
                name = _short(func.id) if isinstance(func, ast.Name) else "something"
                raise self._error(f"calls {name}(...); only abs, min and max of plain values may be called")
            case ast.Name(id=name) if name not in NAMES:
                raise self._error(f"uses {_short(name)!r}; a turn has {', '.join(NAMES)}")
            case ast.Constant(value=value):
                if not isinstance(value, int | float | str):
                    raise self._error(f"uses {_short(repr(value))}; {REMEDY}")
                if not isinstance(value, str) and not abs(value) <= MAX_NUMBER:
                    raise self._error(f"uses a number beyond {MAX_NUMBER:g}; write a smaller one")
            case _ if not isinstance(node, ALLOWED):
                raise self._error(f"uses {_SPELLED.get(type(node), type(node).__name__)}; {REMEDY}")

    def _error(self, problem: str) -> ConfigError:
        return ConfigError(f"{self._where} {problem}")


_here = threading.local()


def _evaluator() -> Any:
    """Return this thread's evaluator: it holds the names of one turn at a time."""
    evaluator: Any = getattr(_here, "evaluator", None)
    if evaluator is None:
        try:
            from simpleeval import SimpleEval
        except ImportError:
            raise UsageError("metrics of your own need simpleeval: pip install 'stopgap[metrics]'") from None
        evaluator = _here.evaluator = SimpleEval(operators=OPERATORS, functions=FUNCTIONS)
        evaluator.nodes = {node: evaluate for node, evaluate in evaluator.nodes.items() if node in NODES}
    return evaluator


_SPELLED: dict[type[ast.AST], str] = {
    ast.Pow: "a power (**)",
    ast.Mod: "a remainder (%)",
    ast.FloorDiv: "a division without remainder (//)",
    ast.Attribute: "an attribute (a dot after a name)",
    ast.Subscript: "a subscript ([...])",
    ast.JoinedStr: "a formatted text",
    ast.Lambda: "a function of its own",
    ast.Tuple: "a list of values (compare with each by == and or)",
    ast.List: "a list of values (compare with each by == and or)",
    ast.Is: "is (write == instead)",
    ast.IsNot: "is not (write != instead)",
}


def _kind(value: Result) -> str:
    return "a text" if isinstance(value, str) else "a number"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
