/** The machine, its runs and their controls, and the plots. */
(() => {
  const { el, need } = detcost;
  const whenNear = detcost.whenNear("plots-body");
  /** @type {Map<string, HTMLElement>} */
  const figures = new Map();

  detcost.showMachineCard = (state) => {
    const place = need("machine-body");
    const command = detcost.copyable(
      "reproduce",
      "To measure everything shown again",
      detcost.reproduce(state),
    );
    place.replaceChildren(...controls(state), ...cold(state), command, ...inventory(state));
  };

  /** The note on costs of runs by an older detcost. @param {State} state @returns {Node[]} */
  function cold({ machineData }) {
    const runs = Object.values(machineData.runs);
    const count = runs.filter((run) => run.cold).length;
    if (!count) return [];
    const which = count < runs.length ? ` (${count} of ${runs.length} runs)` : "";
    return [el("p", {}, detcost.say("cold") + which)];
  }

  /** @param {State} state @returns {Node[]} */
  function inventory({ machineData }) {
    const text = (/** @type {Record<string, string>} */ rows) =>
      detcost.definitions(
        Object.entries(rows).map(([name, value]) => [detcost.spaced(name), shownAs(name, value)]),
      );
    const runs = Object.entries(machineData.runs);
    return [
      detcost.folded("The machine", () => text(machineData.description), true),
      detcost.folded("Versions", () => text(machineData.versions)),
      detcost.folded(`Protocol of ${detcost.plural(runs.length, "run")}`, () => protocols(runs)),
    ];
  }

  /** @param {string} name @param {string} value */
  function shownAs(name, value) {
    return name.endsWith("_bytes") && /^\d+$/.test(value) ? detcost.bytes(Number(value)) : value;
  }

  /** @param {State} state @returns {Node[]} */
  function controls({ machineData, card }) {
    const failed = Object.entries(machineData.runs).filter(([, run]) => run.failed_controls.length);
    if (!failed.length) return [el("p", {}, `No control failed in any run of ${card.name}.`)];
    const rows = failed.map(([id, run]) =>
      el("li", {}, el("code", {}, id), `: ${run.failed_controls.join("; ")}`),
    );
    const list = el("ul");
    const more = detcost.sliced(rows, list, (row) => row);
    return [
      el(
        "p",
        { class: "alarm" },
        `CONTROLS FAILED in ${failed.length} of ${Object.keys(machineData.runs).length} runs:`,
      ),
      list,
      more,
    ];
  }

  /** @param {[string, Run][]} runs */
  function protocols(runs) {
    const names = [...new Set(runs.flatMap(([, run]) => Object.keys(run.protocol ?? {})))];
    const rows = runs.map(([id, run]) => [
      el("code", {}, id),
      detcost.day(run.measured_at),
      run.failed_controls.length ? el("strong", { class: "alarm" }, "FAILED") : "none failed",
      ...names.map((name) => String(run.protocol?.[name] ?? "–")),
    ]);
    return detcost.tableOf(
      "Protocol of each run",
      ["run", "day", "controls", ...names.map(detcost.spaced)],
      rows,
    );
  }

  detcost.showPlots = ({ view, subject }) => {
    const isShown = (/** @type {Plot} */ plot) =>
      plot.device === view.device && (plot.scenario === null || plot.scenario === subject);
    const plots = detcost.index.plots.filter(isShown);
    need("plots").hidden = !plots.length;
    whenNear(() => need("plots-body").replaceChildren(...plots.map(figureOf)));
  };

  /** Plots are reused: a browser needs a fifth of a second to draw a large one. @param {Plot} plot */
  function figureOf({ file, title, alt, kind }) {
    const known = figures.get(file);
    if (known) return known;
    const src = `plots/${encodeURIComponent(file)}`;
    const image = el("img", { src, alt, loading: "lazy", decoding: "async" });
    const caption = el("figcaption", {}, title);
    const figure = el("figure", { class: `plot ${kind}` }, image, caption);
    figures.set(file, figure);
    return figure;
  }
})();
