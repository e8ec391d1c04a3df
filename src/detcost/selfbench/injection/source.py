"""The text of a random program under construction.

Every value of a program is a float32 matrix of one shape, so that any operation may follow any
other. Operations that change the shape change it back within a few lines.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

INDENT = "    "
#: What in a line is about one operation.
_OPERATION = re.compile(r"tf\.|layers\.|[-+*@<>] |\w\(x_")


@dataclass(frozen=True)
class Text:
    """A name in the program, and the numbers of the culprits that it depends on."""

    name: str
    culprits: frozenset[int] = frozenset()


@dataclass
class SourceText:
    """What the bodies of a program's functions share.

    Attributes
    ----------
    chance
        Draws everything that is random about the program.
    rows, width
        The shape of every value.
    imports
        Lines at the top of the file, such as definitions of plain Python functions.
    setup
        Lines of ``build`` before its step.
    blocks
        Functions that may be called again.
    operations
        About how many operations there are so far.
    """

    chance: random.Random
    rows: int
    width: int
    top: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    blocks: list[Text] = field(default_factory=list)
    operations: int = 0
    _names: dict[str, int] = field(default_factory=dict)

    def fresh(self, prefix: str) -> str:
        """Return a name that the program has not yet."""
        self._names[prefix] = self._names.get(prefix, 0) + 1
        return f"{prefix}_{self._names[prefix]}"

    def seed(self) -> int:
        """Return a seed for an operation of the program."""
        return self.chance.randrange(1, 10_000)

    def made(self, prefix: str, expression: str) -> str:
        """Make an object in ``build``, and return its name."""
        name = self.fresh(prefix)
        self.setup += [f"{INDENT}{name} = {expression.format_map(ProgramWords(self))}"]
        return name

    def define(self, lines: Iterable[str]) -> None:
        """Define a function in ``build``."""
        self.setup += ["", *lines, ""]

    def define_at_top(self, text: str) -> None:
        """Define something once at the top of the file."""
        if text not in self.top:
            self.top.append(text)


#: Objects that lines may ask for, by the expression that makes them.
OBJECTS = {
    "w": "tf.constant(rng.normal(0.0, 0.4, ({width}, {width})).astype('float32'))",
    "tall": "tf.constant(rng.normal(0.0, 0.3, (2 * {width}, {width})).astype('float32'))",
    "weights": "tf.Variable(rng.normal(0.0, 0.4, ({width}, {width})).astype('float32'))",
    "filters": "tf.constant(rng.normal(0.0, 0.3, (3, 3, 1, 4)).astype('float32'))",
    "order": "tf.constant(rng.permutation({rows}))",
    "segments": "tf.constant(np.sort(rng.integers(0, 3, {rows})))",
    "table": "tf.constant(rng.normal(size=(16, {width})).astype('float32'))",
    "big": "tf.constant(rng.normal(size=(200, 300)).astype('float32'))",
    "counter": "tf.Variable(0)",
    "average": "tf.Variable(tf.zeros([{rows}, {width}]))",
    "generator": "tf.random.Generator.from_seed({seed})",
    "dense": "layers.Dense({width}, activation='tanh', kernel_initializer=glorot({seed}))",
    "norm": "layers.LayerNormalization()",
    "batch_norm": "layers.BatchNormalization()",
    "dropout": "layers.Dropout(0.3, seed={seed})",
    "conv": "layers.Conv2D(2, 3, padding='same', kernel_initializer=glorot({seed}))",
    "lstm": "layers.LSTMCell({width}, kernel_initializer=glorot({seed}), "
    "recurrent_initializer=glorot({seed}), seed={seed})",
    "gru": "layers.GRU({width}, return_sequences=True, kernel_initializer=glorot({seed}), "
    "recurrent_initializer=glorot({seed}), seed={seed})",
    "attention": "layers.MultiHeadAttention(2, 4, kernel_initializer=glorot({seed}), seed={seed})",
    "embedding": "layers.Embedding({width}, {width}, "
    "embeddings_initializer=keras.initializers.RandomNormal(seed={seed}))",
}

#: The shape of the inputs of layers, which gives them their variables before a function is traced.
_SHAPES = {
    "dense": "({rows}, {width})",
    "norm": "({rows}, {width})",
    "batch_norm": "({rows}, {width})",
    "conv": "(1, {rows}, {width}, 1)",
    "lstm": "({rows}, {width})",
    "gru": "(1, {rows}, {width})",
    "attention": "(1, {rows}, {width}), (1, {rows}, {width})",
    "embedding": "({rows},)",
}


class ProgramWords(dict[str, object]):
    """The words in braces in a line of a program. Objects are made when they are asked for.

    Parameters
    ----------
    builds
        Whether layers get their variables at once, and not in their first call.
    """

    def __init__(self, source: SourceText, builds: bool = True, **given: object):
        super().__init__({"rows": source.rows, "width": source.width, **given})
        self._source, self._builds = source, builds

    def __missing__(self, word: str) -> object:
        chance = self._source.chance
        drawn: dict[str, Callable[[], object]] = {
            "seed": self._source.seed,
            "axis": lambda: chance.randrange(2),
            "column": lambda: chance.randrange(self._source.width),
            "k": lambda: chance.randrange(1, 4),
            "c": lambda: round(chance.uniform(0.2, 1.2), 2),
        }
        if word in drawn:
            return drawn[word]()
        if word not in OBJECTS:  # a name of its own, for this line and the lines beside it
            self[word] = self._source.fresh(word)
            return self[word]
        self[word] = self._source.made(word, OBJECTS[word])
        if word in _SHAPES and self._builds:
            shape = _SHAPES[word].format_map(self)
            self._source.setup.append(f"{INDENT}{self[word]}.build({shape})")
        return self[word]


class Body:
    """The lines of one function, and the values that its next line may use.

    Parameters
    ----------
    values
        At least one value.
    graph
        Whether the lines are traced by ``tf.function``.
    stateless
        Whether no line may keep state, because it may run several times at once.
    branched
        Whether it is in an ``if`` on a tensor. AutoGraph refuses functions defined in one that use
        its variables.
    """

    def __init__(
        self,
        source: SourceText,
        depth: int,
        values: Iterable[Text],
        *,
        graph: bool,
        stateless: bool = False,
        taped: bool = False,
        nested: bool = False,
        branched: bool = False,
    ):
        self.source, self.chance = source, source.chance
        self.depth, self.graph, self.nested = depth, graph, nested
        self.stateless, self.taped, self.branched = stateless, taped, branched
        self.values = list(values)
        self.lines: list[str] = []
        self.used: frozenset[int] = frozenset()

    def pick(self, *, clean: bool = False) -> Text:
        """Return a value, rather a late one. ``clean``: one that depends on no culprit."""
        values = [value for value in self.values if not (clean and value.culprits)]
        return values[-min(len(values), int(self.chance.expovariate(0.4)) + 1)]

    def write(self, text: str, **words: object) -> None:
        """Write lines at this body's depth."""
        builds = self.nested or self.chance.random() < 0.5
        filled = text.format_map(ProgramWords(self.source, builds, **words))
        self.source.operations += len(_OPERATION.findall(filled))
        self.lines += [INDENT * self.depth + line for line in filled.splitlines()]

    def let(self, text: str, *of: Text, **words: object) -> Text:
        """Write lines that make ``{out}`` from values, and return it."""
        culprits = frozenset[int]().union(*(each.culprits for each in of))
        self.used |= culprits
        out = Text(self.source.fresh("x"), culprits)
        self.write(text, out=out.name, **words)
        self.values.append(out)
        return out

    def inner(
        self,
        values: Iterable[Text],
        *,
        stateless: bool = False,
        taped: bool = False,
        branched: bool = False,
    ) -> Body:
        """Return the body of a block inside this one. Its lines are not yet in this one."""
        return Body(
            self.source,
            self.depth + 1,
            values,
            graph=self.graph,
            stateless=self.stateless or stateless,
            taped=self.taped or taped,
            nested=True,
            branched=self.branched or branched,
        )

    def add(self, inner: Body) -> None:
        """Add the lines of a block inside this one."""
        self.lines += inner.lines
        self.used |= inner.used
