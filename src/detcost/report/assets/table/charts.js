/** Small charts. Each colour has a shape, an axis or a word that means the same. */
(() => {
  const { svg, el } = detcost;

  detcost.verdictMark = (verdict) => el("span", { class: `verdict ${verdict}` }, verdict);

  /** Place ratios on a logarithmic axis, on which 2 and ½ are equally far from 1. */
  detcost.scale = (values, from, to) => {
    const known = values.flatMap((value) =>
      value && value > 0 && Number.isFinite(value) ? [value] : [],
    );
    const [low, high] = [Math.min(0.9, ...known), Math.max(1.1, ...known)].map(Math.log);
    return (value) => {
      const share = (Math.log(Math.max(value, 1e-9)) - low) / (high - low);
      return Math.round((from + Math.min(1, Math.max(0, share)) * (to - from)) * 10) / 10;
    };
  };

  /** @param {Scale} scale @param {number} top @param {number} height */
  function freeBand(scale, top, height) {
    const { band } = detcost.index;
    const [x, end] = [scale(1 - band), scale(1 + band)];
    const width = Math.max(1, end - x);
    return svg("rect", { class: "band", x, y: top, width, height });
  }

  detcost.intervalBar = (cost, scale) => {
    const parts = [freeBand(scale, 0, 14)];
    const x = scale(cost.ratio);
    if (cost.low !== null && cost.high !== null) {
      const [x1, x2] = [scale(cost.low), scale(cost.high)];
      parts.push(svg("line", { class: "interval", x1, x2, y1: 7, y2: 7 }));
    }
    parts.push(svg("circle", { class: "point", cx: x, cy: 7, r: 3 }));
    const size = { viewBox: "0 0 132 14", width: 132, height: 14, "aria-hidden": "true" };
    return svg("svg", { ...size, class: `bar ${cost.verdict}` }, ...parts);
  };

  detcost.costCell = (cost, scale, isDefault) => {
    if (!cost) return el("div", { class: "cost" }, "–");
    if (isDefault)
      return el("div", { class: "cost" }, el("span", {}, "1"), el("small", {}, "by definition"));
    const text = el("span", { class: "figure" }, cost.text);
    const mark = detcost.verdictMark(cost.verdict);
    return el(
      "div",
      { class: "cost" },
      text,
      " ",
      mark,
      /** @type {any} */ (detcost.intervalBar(cost, scale)),
    );
  };

  /** @typedef {{x: number, y: number, low: number | null, high: number | null, text: string}} Dot */

  /** An axis of ratios at the left. @param {number[]} values @param {Scale} y @param {number} width */
  function axis(values, y, width) {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const ticks =
      most / least > 8
        ? [0.1, 0.25, 0.5, 1, 2, 4, 10, 40, 100]
        : [0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 2, 4];
    const shown = ticks.filter(
      (tick) => tick >= Math.min(0.9, least) && tick <= Math.max(1.1, most),
    );
    return shown.flatMap((tick) => [
      svg("line", {
        class: tick === 1 ? "one" : "grid",
        x1: 36,
        x2: width,
        y1: y(tick),
        y2: y(tick),
      }),
      svg(
        "text",
        { x: 30, y: y(tick) + 4, "text-anchor": "end" },
        document.createTextNode(`${tick}×`),
      ),
    ]);
  }

  /** @param {Scale} y @param {number} width */
  function flatBand(y, width) {
    const { band } = detcost.index;
    const top = y(1 + band);
    return svg("rect", {
      class: "band",
      x: 36,
      y: top,
      width: width - 36,
      height: Math.max(1, y(1 - band) - top),
    });
  }

  /** @param {Scale} y @param {Dot} dot */
  function drawn(y, dot) {
    const parts = [
      svg("circle", { class: "point", cx: dot.x, cy: y(dot.y), r: 3.5 }, titled(dot.text)),
    ];
    if (dot.low !== null && dot.high !== null) {
      parts.unshift(
        svg("line", { class: "interval", x1: dot.x, x2: dot.x, y1: y(dot.low), y2: y(dot.high) }),
      );
    }
    return parts;
  }

  /** @param {string} text */
  function titled(text) {
    return svg("title", {}, document.createTextNode(text));
  }

  /** @param {string} label @param {number} width @param {number} height @param {Node[]} parts */
  function chart(label, width, height, parts) {
    const size = { viewBox: `0 0 ${width} ${height}`, width, height };
    return svg("svg", { ...size, class: "chart", role: "img", "aria-label": label }, ...parts);
  }

  detcost.blockChart = (cost, isDefault) => {
    const ratios = cost.block_ratios;
    if (!ratios.length) return el("p", {}, "Its blocks are not known.");
    const [width, height] = [420, 170];
    const y = detcost.scale([...ratios, cost.low, cost.high], height - 26, 10);
    const step = (width - 60) / Math.max(1, ratios.length);
    const dots = ratios.map((ratio, i) => ({
      x: 48 + step * (i + 0.5),
      y: ratio,
      low: null,
      high: null,
      text: `block ${i + 1}: ${detcost.fixed(ratio, 3)}`,
    }));
    const parts = [flatBand(y, width), ...axis(ratios, y, width), ...mean(cost, y, width)];
    parts.push(...dots.flatMap((dot) => drawn(y, dot)));
    const ends = [
      ["1", 48 + step / 2],
      [String(ratios.length), 48 + step * (ratios.length - 0.5)],
    ];
    for (const [text, x] of ends) {
      parts.push(
        svg(
          "text",
          { x, y: height - 8, "text-anchor": "middle" },
          document.createTextNode(String(text)),
        ),
      );
    }
    const what = isDefault ? "a second default ÷ default" : "step time ÷ that of default";
    const range = `from ${detcost.fixed(Math.min(...ratios), 2)} to ${detcost.fixed(Math.max(...ratios), 2)}`;
    const label = `${what}, ${detcost.plural(ratios.length, "block")} in run order, ${range}; mean ${cost.text}`;
    const caption = el(
      "figcaption",
      {},
      `${label}. Shaded: the free band, ±${detcost.percent(detcost.index.band)}. Line and dashes: mean and interval.`,
    );
    return el("figure", {}, /** @type {any} */ (chart(label, width, height, parts)), caption);
  };

  /** @param {Cost} cost @param {Scale} y @param {number} width */
  function mean(cost, y, width) {
    const line = (/** @type {number | null} */ at, /** @type {string} */ kind) =>
      at === null ? [] : [svg("line", { class: kind, x1: 36, x2: width, y1: y(at), y2: y(at) })];
    return [...line(cost.ratio, "mean"), ...line(cost.low, "end"), ...line(cost.high, "end")];
  }

  detcost.historyChart = (points, what) => {
    const known = points.filter(({ cost }) => cost.ratio !== null);
    if (known.length < 2)
      return el("p", { class: "quiet" }, "One run so far. A history needs two.");
    const [width, height] = [Math.max(420, Math.min(960, 80 + 70 * known.length)), 200];
    const values = known
      .flatMap(({ cost }) => [cost.ratio, cost.low, cost.high])
      .filter((value) => value !== null);
    const y = detcost.scale(values, height - 44, 10);
    const step = (width - 60) / known.length;
    const dots = known.map(({ cost, label, day }, i) => ({
      x: 48 + step * (i + 0.5),
      y: Number(cost.ratio),
      low: cost.low,
      high: cost.high,
      text: `${day}, ${label}: ${cost.text}`,
    }));
    const parts = [
      flatBand(y, width),
      ...axis(values, y, width),
      ...dots.flatMap((dot) => drawn(y, dot)),
    ];
    const every = Math.ceil(70 / step);
    for (const [i, { label, day }] of known.entries()) {
      if (i % every) continue;
      const at = { x: dots[i].x, "text-anchor": "middle" };
      parts.push(
        svg("text", { ...at, y: height - 22 }, document.createTextNode(label.slice(0, 10))),
      );
      parts.push(svg("text", { ...at, y: height - 8 }, document.createTextNode(day)));
    }
    const ends = [dots[0], dots[dots.length - 1]].map((dot) => dot.text).join("; last, ");
    const label = `${what} in ${dots.length} runs; first, ${ends}`;
    return detcost.scroller(
      `${what} by run`,
      /** @type {any} */ (chart(label, width, height, parts)),
    );
  };
})();
