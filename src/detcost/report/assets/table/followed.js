/** Two processes followed over many steps: the distance of their outputs, on a logarithmic axis. */
(() => {
  const { svg, el } = detcost;
  const [WIDTH, HEIGHT, LEFT, BOTTOM] = [420, 180, 48, 26];

  detcost.followed = (setting, own, ofDefault) => {
    if (!own.length) return null;
    const figures = own.map((curve) => {
      const other = ofDefault.find(({ scope }) => scope === curve.scope);
      return figure(curve.scope, setting, curve, other ?? null);
    });
    const heading = el("h3", {}, `Followed over ${detcost.plural(own[0].steps, "step")}`);
    return el("div", {}, heading, ...figures);
  };

  /** @param {string} scope @param {string} setting @param {Curve} own @param {Curve | null} other */
  function figure(scope, setting, own, other) {
    const known = other ? [own, other] : [own];
    const drawn = known.filter(({ at }) => at.length);
    const text = `${scope}: ${own.text}`;
    if (!drawn.length) return el("p", {}, text);
    const beside = other ? `. default (dashed): ${other.text}` : "";
    const label = `Distance of the outputs by step, ${scope}. ${setting}: ${own.text}${beside}`;
    const parts = [...axes(drawn), ...drawn.map((curve) => line(curve, drawn, curve === other))];
    const size = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT };
    const properties = { ...size, class: "chart", role: "img", "aria-label": label };
    const chart = /** @type {any} */ (svg("svg", properties, ...parts));
    return el("figure", {}, chart, el("figcaption", {}, text, beside));
  }

  /** The powers of ten around all distances. @param {Curve[]} curves @returns {[number, number]} */
  function decades(curves) {
    let [low, high] = [Infinity, -Infinity];
    for (const { relative } of curves) {
      for (const distance of relative) {
        low = Math.min(low, Math.floor(Math.log10(distance)));
        high = Math.max(high, Math.ceil(Math.log10(distance)));
      }
    }
    return [low, Math.max(high, low + 1)];
  }

  /** @param {Curve[]} curves @returns {Scale} */
  function across(curves) {
    const steps = Math.max(2, ...curves.map((curve) => curve.steps));
    return (step) => rounded(LEFT + ((step - 1) / (steps - 1)) * (WIDTH - LEFT - 12));
  }

  /** @param {Curve[]} curves @returns {Scale} */
  function up(curves) {
    const [low, high] = decades(curves);
    const room = HEIGHT - BOTTOM - 12;
    return (distance) => rounded(12 + ((high - Math.log10(distance)) / (high - low)) * room);
  }

  /** @param {number} place */
  function rounded(place) {
    return Math.round(place * 10) / 10;
  }

  /** @param {Curve} curve @param {Curve[]} all @param {boolean} dashed */
  function line({ at, relative }, all, dashed) {
    const [x, y] = [across(all), up(all)];
    if (at.length === 1) {
      return svg("circle", { class: "point", cx: x(at[0]), cy: y(relative[0]), r: 3.5 });
    }
    const points = at.map((step, i) => `${x(step)},${y(relative[i])}`).join(" ");
    return svg("polyline", { class: dashed ? "curve of-default" : "curve", points });
  }

  /** @param {Curve[]} curves */
  function axes(curves) {
    const [x, y] = [across(curves), up(curves)];
    const [low, high] = decades(curves);
    const every = Math.ceil((high - low) / 5);
    const parts = [];
    for (let power = low; power <= high; power += every) {
      const at = y(10 ** power);
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: at, y2: at }));
      parts.push(written(`1e${power}`, { x: LEFT - 6, y: at + 4, "text-anchor": "end" }));
    }
    const steps = Math.max(2, ...curves.map((curve) => curve.steps));
    for (const step of [1, steps]) {
      const anchor = step === 1 ? "start" : "end";
      const place = { x: x(step) + (step === 1 ? 0 : 12), y: HEIGHT - 8, "text-anchor": anchor };
      parts.push(written(`step ${step}`, place));
    }
    return parts;
  }

  /** @param {string} text @param {Properties} properties */
  function written(text, properties) {
    return svg("text", properties, document.createTextNode(text));
  }
})();
