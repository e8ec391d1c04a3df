"""Parts of programs with lines inside them: branches, loops, functions and gradients.

Each takes what to write inside it, such as a culprit, or writes random lines only. What it
returns depends on what was written inside. If something is given, the block uses no value that
depends on a culprit, so that its result differs only if its own culprit differs.
"""

from __future__ import annotations

from collections.abc import Callable

from detcost.selfbench.injection.operations import of_a_row, straight
from detcost.selfbench.injection.source import INDENT, Body, Text

Writer = Callable[[Body], Text]
Block = Callable[[Body, Writer | None], Text]


def fill(body: Body, inside: Writer | None, write: Writer = straight, most: int = 4) -> Text:
    """Write some lines, and what is given at a random place among them."""
    count = body.chance.randint(1, most)
    place = body.chance.randint(0, count) if inside else -1
    given = None
    for number in range(count + 1):
        if number == place and inside:
            given = inside(body)
            if body.taped:
                given = body.let("{out} = tf.stop_gradient({x})", given, x=given.name)
        elif number < count:
            write(body)
    last = body.values[-1]
    if given is None or given is last:
        return last
    return body.let("{out} = {x} + 0.5 * {y}", given, last, x=given.name, y=last.name)


def branch(body: Body, inside: Writer | None) -> Text:
    """Write an ``if`` on a tensor, or ``tf.cond``."""
    x = body.pick(clean=bool(inside))
    taken = "tf.reduce_mean(tf.abs({x})) < 1000.0" if inside else "tf.reduce_sum({x}) > 0.0"
    condition = taken.format(x=x.name)
    values = [x] if inside else body.values
    is_statement = body.chance.random() < 0.5 or body.branched
    here, there = (body.inner(values, branched=is_statement) for _ in range(2))
    first, second = fill(here, inside), fill(there, None)
    out = body.source.fresh("x")
    if is_statement:
        here.write("{out} = {x}", out=out, x=first.name)
        there.write("{out} = {x}", out=out, x=second.name)
        body.write("if {condition}:", condition=condition)
        body.add(here)
        body.write("else:")
        body.add(there)
    else:
        names = body.source.fresh("when_true"), body.source.fresh("when_false")
        for name, each, result in zip(names, (here, there), (first, second), strict=True):
            body.write("def {name}():", name=name)
            each.write("return {x}", x=result.name)
            body.add(each)
        call = "{out} = tf.cond({condition}, {true}, {false})"
        body.write(call, out=out, condition=condition, true=names[0], false=names[1])
    return _result(body, out, x, here, there)


def _result(body: Body, name: str, x: Text, *inner: Body) -> Text:
    """Return the value that blocks inside gave a name."""
    result = Text(name, x.culprits.union(*(each.used for each in inner)))
    body.used |= result.culprits
    body.values.append(result)
    return result


def loop(body: Body, inside: Writer | None) -> Text:
    """Write a loop over ``tf.range``, or one that Python unrolls where it is traced."""
    x = body.pick(clean=bool(inside))
    carried = Text(body.source.fresh("h"), x.culprits)
    unrolled = body.chance.random() < 0.3
    inner = body.inner([carried], stateless=not unrolled and body.graph)
    last = fill(inner, inside)
    inner.write("{h} = tf.reshape({x}, [{rows}, {width}])", h=carried.name, x=last.name)
    times = body.chance.randint(2, 5)
    number = body.source.fresh("i")
    body.write("{h} = {x}", h=carried.name, x=x.name)
    over = "range({times})" if unrolled else "tf.range({times})"
    body.write("for {i} in " + over + ":", i=number, times=times)
    body.add(inner)
    return _result(body, carried.name, x, inner)


def while_loop(body: Body, inside: Writer | None) -> Text:
    """Write ``tf.while_loop``, whose number of iterations depends on its data."""
    x = body.pick(clean=bool(inside))
    count, carried, test, work = (body.source.fresh(each) for each in ("n", "h", "test", "work"))
    inner = body.inner([Text(carried, x.culprits)], stateless=True)
    last = fill(inner, inside)
    inner.write("return {n} + 1, tf.reshape({x}, [{rows}, {width}])", n=count, x=last.name)
    body.write(
        "def {test}({n}, {h}):\n    return ({n} < {times}) & (tf.reduce_max({h}) > {least})",
        test=test,
        n=count,
        h=carried,
        times=body.chance.randint(3, 7),
        least=-1000.0 if inside else round(body.chance.uniform(0.1, 1.0), 2),
    )
    body.write("def {work}({n}, {h}):", work=work, n=count, h=carried)
    body.add(inner)
    out = body.source.fresh("x")
    call = "_, {out} = tf.while_loop({test}, {work}, [tf.constant(0), {x}])"
    body.write(call, out=out, test=test, work=work, x=x.name)
    return _result(body, out, x, inner)


def map_rows(body: Body, inside: Writer | None) -> Text:
    """Write ``tf.map_fn`` over the rows."""
    x = body.pick(clean=bool(inside))
    row, function = body.source.fresh("row"), body.source.fresh("of_row")
    inner = body.inner([Text(row, x.culprits)], stateless=True)
    last = fill(inner, inside, of_a_row)
    inner.write("return {x}", x=last.name)
    body.write("def {function}({row}):", function=function, row=row)
    body.add(inner)
    out = body.source.fresh("x")
    body.write("{out} = tf.map_fn({function}, {x})", out=out, function=function, x=x.name)
    return _result(body, out, x, inner)


def call(body: Body, inside: Writer | None) -> Text:
    """Write a ``tf.function``, call it several times, and keep it for later calls."""
    source, argument = body.source, body.source.fresh("x")
    inner = Body(source, 2, [Text(argument)], graph=True, stateless=True, taped=True, nested=True)
    last = fill(inner, inside, most=7)
    name = source.fresh("block")
    inner.write("return {x}", x=last.name)
    source.define([f"{INDENT}@tf.function", f"{INDENT}def {name}({argument}):", *inner.lines])
    if body.chance.random() < 0.25:
        shape = "tf.TensorSpec([{rows}, {width}], tf.float32)"
        name = source.made("concrete", f"{name}.get_concrete_function({shape})")
    function = Text(name, inner.used)
    source.blocks.append(function)
    for _ in range(body.chance.randint(0 if inside else 1, 2)):
        _call(body, function, clean=bool(inside))
    return _call(body, function, clean=bool(inside))


def _call(body: Body, function: Text, *, clean: bool) -> Text:
    x = body.pick(clean=clean)
    return body.let("{out} = {f}({x})", x, function, f=function.name, x=x.name)


def call_again(body: Body) -> Text:
    """Call a function that is there already."""
    return _call(body, body.chance.choice(body.source.blocks), clean=False)


def gradient(body: Body, inside: Writer | None) -> Text:
    """Write a gradient; it updates a variable, by hand or by an optimizer, or is the result."""
    source, x = body.source, body.pick(clean=bool(inside))
    tape, loss, h = source.fresh("tape"), source.fresh("loss"), source.fresh("x")
    inner = body.inner([x], taped=True)
    last = _taped(inner, inside)
    weights = source.made(
        "kernel", "tf.Variable(rng.normal(0.0, 0.4, ({width}, {width})).astype('float32'))"
    )
    inner.write("{h} = ({last} + {x}) @ {weights}", h=h, last=last.name, x=x.name, weights=weights)
    inner.write("{loss} = tf.reduce_mean(tf.square({h} - 0.1))", loss=loss, h=h)
    body.write("with tf.GradientTape() as {tape}:", tape=tape)
    updates = not body.stateless and body.chance.random() < 0.6
    if not updates:
        body.write("    {tape}.watch({x})", tape=tape, x=x.name)
    body.add(inner)
    result = _result(body, h, x, inner)
    if updates:
        return _update(body, result, f"{tape}.gradient({loss}, {weights})", weights)
    return body.let("{out} = 10.0 * {g}", result, x, g=f"{tape}.gradient({loss}, {x.name})")


def _taped(inner: Body, inside: Writer | None) -> Text:
    """Write what the gradient is of; often a loop, a branch or a function."""
    if inside or inner.chance.random() < 0.4:
        return fill(inner, inside)
    return inner.chance.choice(CONTROL)(inner, None)


def _update(body: Body, result: Text, gradient: str, weights: str) -> Text:
    gradients = body.source.fresh("g")
    body.write("{g} = {gradient}", g=gradients, gradient=gradient)
    if body.chance.random() < 0.5:
        body.write("{weights}.assign_sub(0.05 * {g})", weights=weights, g=gradients)
    else:
        maker = body.chance.choice(("Adam(0.01)", "SGD(0.05, momentum=0.9)", "RMSprop(0.01)"))
        optimizer = body.source.made("optimizer", f"keras.optimizers.{maker}")
        body.source.setup.append(f"{INDENT}{optimizer}.build([{weights}])")
        body.write(
            "{o}.apply_gradients([({g}, {weights})])", o=optimizer, g=gradients, weights=weights
        )
    return body.let("{out} = {x} + {weights}[:1]", result, x=result.name, weights=weights)


CONTROL: tuple[Block, ...] = (branch, loop, while_loop, map_rows, call)


def fit(body: Body) -> Text:
    """Train a Keras model a little."""
    chance, source = body.chance, body.source
    model = source.made(
        "model",
        "keras.Sequential([layers.Dense({width}, activation='relu', "
        "kernel_initializer=glorot({seed})), layers.Dropout(0.2, seed={seed}), "
        "layers.Dense({width}, kernel_initializer=glorot({seed}))])",
    )
    optimizer = chance.choice(("adam", "sgd"))
    features = source.made("features", "rng.normal(size=(16, {width})).astype('float32')")
    source.setup += [
        f"{INDENT}{model}.build((None, {source.width}))",
        f"{INDENT}{model}.compile(optimizer='{optimizer}', loss='mse')",
    ]
    body.write(
        chance.choice(
            (
                "{model}.fit({features}, np.tanh({features}), batch_size=8, shuffle=False, "
                "verbose=0)",
                "{model}.train_on_batch({features}, np.tanh({features}))",
            )
        ),
        model=model,
        features=features,
    )
    x = body.pick()
    return body.let("{out} = {x} @ {model}.trainable_variables[0]", x, x=x.name, model=model)
