"""Lines of programs: each makes ``{out}`` from ``{x}`` and perhaps ``{y}``."""

from __future__ import annotations

from detcost.selfbench.injection.source import Body, Text

#: They have a gradient, and give the same for the same.
SMOOTH = (
    "{out} = tf.nn.relu({x})",
    "{out} = tf.tanh({x} @ {w})",
    "{out} = tf.nn.elu({x} @ {w})",
    "{out} = {x} + 0.5 * {y}",
    "{out} = tf.maximum({x}, {y})",
    "{out} = {x} * tf.sigmoid({y})",
    "{out} = tf.nn.softmax({x}, axis={axis})",
    "{out} = tf.math.l2_normalize({x}, axis={axis})",
    "{out} = tf.where({x} > {y}, {x}, -0.5 * {y})",
    "{out} = tf.cast(tf.cast({x}, tf.float64) * {c}, tf.float32)",
    "{out} = tf.cast(tf.cast({x}, tf.bfloat16), tf.float32)",
    "{out} = {x} - tf.reduce_mean({x}, axis={axis}, keepdims=True)",
    "{out} = {x} / (1.0 + tf.reduce_max(tf.abs({x})))",
    "{a} = tf.concat([{x}, {y}], axis=1)\n{out} = tf.tanh({a} @ {tall})",
    "{a}, {b} = tf.split({x}, 2, axis=1)\n{out} = tf.concat([{b}, tf.nn.selu({a})], axis=1)",
    "{out} = tf.transpose(tf.nn.leaky_relu(tf.transpose({x})))",
    "{out} = tf.gather({x}, {order})",
    "{out} = tf.gather({x}, tf.argsort({x}[:, {column}]))",
    "{out} = tf.reverse({x}, axis=[{axis}])",
    "{out} = tf.roll({x}, {k}, axis={axis})",
    "{out} = tf.sort({x}, axis=1)",
    "{out} = 0.2 * tf.cumsum({x}, axis={axis})",
    "{a}, {b} = tf.nn.moments({x}, axes=[0])\n"
    "{out} = tf.nn.batch_normalization({x}, {a}, {b}, None, None, 1e-3)",
    "{image} = tf.reshape({x}, [1, {rows}, {width}, 1])\n"
    "{maps} = tf.nn.conv2d({image}, {filters}, 1, 'SAME')\n"
    "{out} = tf.reduce_mean({maps}, axis=-1)[0]",
    "{image} = tf.reshape({x}, [1, {rows}, {width}, 1])\n"
    "{maps} = tf.nn.depthwise_conv2d({image}, {filters}, [1, 1, 1, 1], 'SAME')\n"
    "{out} = tf.nn.max_pool2d({maps}, 2, 1, 'SAME')[0, :, :, 0]",
    "{out} = tf.nn.avg_pool2d(tf.reshape({x}, [1, {rows}, {width}, 1]), 3, 1, 'SAME')[0, :, :, 0]",
    "{scores} = tf.nn.softmax(tf.matmul({x}, {y}, transpose_b=True))\n{out} = {scores} @ {y}",
    "{out} = 0.1 * tf.einsum('ij,kj,kl->il', {x}, {y}, {x})",
    "{a}, _ = tf.math.top_k({x}, k=2)\n{out} = {x} * tf.reduce_sum({a}, axis=1, keepdims=True)",
    "{out} = tf.stack(tf.unstack({x})[::-1])",
    "{a} = tf.pad({x}, [[1, 1], [0, 0]])\n{out} = ({a}[:-2] + {a}[1:-1] + {a}[2:]) / 3.0",
    "{a} = tf.math.segment_sum({x}, {segments})\n{out} = tf.gather({a}, {segments})",
    "{a} = tf.boolean_mask({x}, {x}[:, 0] > 0.0)\n{out} = {x} + tf.reduce_sum({a}, axis=0)",
    "{out} = tf.tensor_scatter_nd_update({x}, [[0], [1]], {y}[2:4])",
    "{a} = tf.zeros([0, {width}])\n{out} = tf.concat([{a}, {x}], axis=0)",
    "{out} = {x} + 0.1 * tf.reduce_mean({big})",
    "{out} = tf.clip_by_norm({x}, 2.0)",
    "{a} = tf.matmul({x}, {x}, transpose_a=True) + 2.0 * tf.eye({width})\n"
    "{out} = {x} @ tf.linalg.inv({a})",
    "{out} = {x} + 0.1 * tf.random.stateless_normal([{rows}, {width}], seed=[{seed}, {k}])",
    "{out} = {dense}({x})",
    "{out} = {norm}({x})",
)

#: They have no gradient, or a rough one.
ROUGH = (
    "{a} = tf.strings.as_string({x}, precision=4)\n{out} = tf.strings.to_number({a})",
    "{words} = tf.strings.as_string(tf.round({x}[:, {column}] * 8.0))\n"
    "{out} = {x} + tf.gather({table}, tf.strings.to_hash_bucket_fast({words}, 16))",
    "{out} = tf.one_hot(tf.argmax({x}, axis=1), {width}) - {x}",
    "{values}, {places} = tf.unique(tf.cast(tf.round({x}[:, 0] * 4.0), tf.int32))\n"
    "{out} = {x} + tf.cast({places}, tf.float32)[:, tf.newaxis]",
    "{a} = tf.math.log({x})  # NaN where it is negative\n"
    "{out} = tf.where(tf.math.is_finite({a}), tf.clip_by_value({a}, -3.0, 3.0), {x})",
    "{out} = tf.math.real(tf.signal.ifft(tf.signal.fft(tf.cast({x}, tf.complex64))))",
    "{a} = tf.bitcast({x}, tf.int32)\n"
    "{out} = tf.bitcast(tf.bitwise.bitwise_and({a}, -65536), tf.float32)",
    "{a} = tf.cast(tf.timestamp() * 0.0, tf.float32)  # always zero\n{out} = {x} + {a}",
    "{now} = tf.timestamp()\n{out} = tf.where({now} > 0.0, {x}, -{x})",
    "{a} = tf.searchsorted(tf.sort({x}[:, 0]), {x}[:, 1])\n"
    "{out} = {x} * tf.cast({a}, tf.float32)[:, tf.newaxis]",
)

#: They keep state from call to call, or draw from a seed.
STATEFUL = (
    "{out} = {x} + 0.1 * tf.random.normal([{rows}, {width}], seed={seed})",
    "{out} = tf.nn.dropout({x}, rate=0.3, seed={seed})",
    "{out} = tf.random.shuffle({x}, seed={seed})",
    "{out} = {x} * {generator}.uniform([{rows}, {width}])",
    "{counter}.assign_add(1)\n{out} = {x} + 0.01 * tf.cast({counter}, tf.float32)",
    "{average}.assign(0.9 * {average} + 0.1 * {x})\n{out} = {x} - {average}",
    "{unused} = tf.random.uniform([3], seed={seed})  # drawn, and not used\n{out} = -{x}",
    "{out} = {dropout}({x}, training=True)",
    "{out} = {batch_norm}({x}, training=True)",
    "{out} = tf.reduce_mean({conv}(tf.reshape({x}, [1, {rows}, {width}, 1])), axis=-1)[0]",
    "{out}, _ = {lstm}({x}, [tf.zeros([{rows}, {width}]), tf.tanh({y})])",
    "{out} = {gru}({x}[tf.newaxis])[0]",
    "{out} = {attention}({x}[tf.newaxis], {y}[tf.newaxis])[0]",
    "{out} = {embedding}(tf.argmax({x}, axis=1))",
)

#: Only where each line runs by itself.
EAGER = (
    "{total} = float(tf.reduce_sum(tf.tanh({x})))\n{out} = {x} * (1.0 + 0.001 * {total})",
    "{array} = {x}.numpy()\n{out} = tf.constant({array}[::-1].copy()) + {x}",
    "{out} = tf.constant(np.tanh({x}.numpy()))",
)

#: They take a row of any length.
OF_A_ROW = (
    "{out} = tf.tanh({x})",
    "{out} = {x} * tf.reduce_sum({x}) * 0.1",
    "{out} = tf.nn.relu({x}) - 0.1 * {y}",
    "{out} = tf.linalg.matvec({w}, {x})",
    "{out} = tf.reverse({x}, axis=[0])",
    "{out} = {x} / (1.0 + tf.norm({x}))",
)


def straight(body: Body) -> Text:
    """Write an operation, or a few that belong together."""
    kinds: list[tuple[tuple[str, ...], float]] = [(SMOOTH, 6.0)]
    if not body.taped:
        kinds.append((ROUGH, 1.5))
    if not body.stateless:
        kinds.append((STATEFUL, 2.0))
    if not body.graph and not body.taped:
        kinds.append((EAGER, 0.4))
    (lines,) = body.chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
    x, y = body.pick(), body.pick()
    return body.let(body.chance.choice(lines), x, y, x=x.name, y=y.name)


def of_a_row(body: Body) -> Text:
    """Write an operation on rows."""
    x, y = body.pick(), body.pick()
    return body.let(body.chance.choice(OF_A_ROW), x, y, x=x.name, y=y.name)
