/** Machines side by side, and the runs of one machine over time. */
(() => {
  const { el } = detcost;
  const FEW = 12;

  /** A machine's newest observation of each setting, with the TensorFlow of its last run. */
  /** @param {Observations[]} runs */
  function newest(runs) {
    const last = runs[runs.length - 1];
    const own = runs.filter((run) => run.tensorflow === last.tensorflow);
    return { ...last, settings: new Map(own.flatMap((run) => [...run.settings])) };
  }

  /** @param {Iterable<Observations>} all */
  function settingsOf(all) {
    return [...new Set([...all].flatMap((run) => [...run.settings.keys()]))];
  }

  detcost.sideBySide = (seen) => {
    const machines = [...seen].map(([place, runs]) => ({
      card: detcost.index.machines[place],
      last: newest(runs),
    }));
    if (machines.length < 2) {
      return [
        el(
          "p",
          { class: "quiet" },
          "One machine so far. To compare machines, put their results into the same folder.",
        ),
      ];
    }
    const settings = settingsOf(machines.map(({ last }) => last)).filter(
      (name) => name !== "default",
    );
    const heads = [
      "setting",
      "machines",
      "cost: least, median, most",
      "verdicts",
      "bits differed on",
    ];
    const rows = settings.map((setting) =>
      summary(
        setting,
        machines.map(({ last }) => last.settings.get(setting)),
      ),
    );
    const table = detcost.tableOf("Settings over all machines", heads, rows);
    const each = () =>
      detcost.tableOf(
        "Cost on each machine",
        ["machine", ...settings],
        machines.map((one) => machineRow(one, settings)),
      );
    const fold = detcost.folded(
      `Each of ${machines.length} machines`,
      each,
      machines.length <= FEW,
    );
    return [el("p", {}, `${machines.length} machines, with the newest runs of each.`), table, fold];
  };

  /** @param {string} setting @param {(Observation | undefined)[]} all @returns {Child[]} */
  function summary(setting, all) {
    const seen = all.filter((each) => each !== undefined);
    const costs = seen.filter((each) => each.status === "ok" && each.ratio !== null);
    const ratios = costs.map((each) => Number(each.ratio)).sort((a, b) => a - b);
    const middle = ratios[Math.floor((ratios.length - 1) / 2)];
    const range = ratios.length
      ? [ratios[0], middle, ratios[ratios.length - 1]].map((r) => detcost.fixed(r, 2)).join(", ")
      : "–";
    const verdicts = tally(costs.map((each) => each.verdict));
    const failed = tally(
      seen.filter((each) => each.status !== "ok").map((each) => detcost.spaced(each.status)),
    );
    const differed = tally(seen.flatMap((each) => each.diverged));
    return [
      detcost.breakable(setting),
      String(seen.length),
      range,
      [verdicts, failed].filter(Boolean).join(", "),
      differed || "none",
    ];
  }

  /** @param {string[]} words */
  function tally(words) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    return [...counts].map(([word, count]) => `${word} ${count}`).join(", ");
  }

  /** @param {{card: Card, last: Observations}} machine @param {string[]} settings @returns {Child[]} */
  function machineRow({ card, last }, settings) {
    const failed = card.failed_controls.length
      ? el("span", { class: "badge alarm" }, "controls failed")
      : null;
    const show = () => detcost.go({ machine: card.name });
    const name = el("button", { type: "button", class: "link", click: show }, card.name);
    const about = el(
      "small",
      {},
      `TensorFlow ${last.tensorflow}, ${detcost.day(last.measured_at)}`,
    );
    return [
      el("div", {}, name, about, failed),
      ...settings.map((setting) => observation(last.settings.get(setting))),
    ];
  }

  /** @param {Observation | undefined} seen */
  function observation(seen) {
    if (!seen) return "–";
    if (seen.status !== "ok") return detcost.spaced(seen.status);
    const differed = seen.diverged.length
      ? el("small", { class: "diverged" }, `≠ ${seen.diverged.join(", ")}`)
      : null;
    const cost = el("span", { class: "figure" }, seen.text);
    return el("div", {}, cost, " ", detcost.verdictMark(seen.verdict), differed);
  }

  detcost.history = (state, seen) => {
    const runs = seen.get(detcost.index.machines.indexOf(state.card)) ?? [];
    if (runs.length < 2)
      return [el("p", { class: "quiet" }, "One run so far. A history needs two.")];
    const settings = settingsOf(runs).filter((name) => name !== "default");
    const chart = el("div");
    const draw = () => chart.replaceChildren(chartOf(runs, select.value));
    const options = settings.map((value) => el("option", { value }, value));
    const select = /** @type {HTMLSelectElement} */ (
      el("select", { id: "across-setting", change: draw }, ...options)
    );
    draw();
    const label = el("label", { class: "field" }, "Setting ", select);
    const rows = runs
      .toReversed()
      .map((run) => [
        `${detcost.day(run.measured_at)}, TensorFlow ${run.tensorflow}`,
        run.commit && el("code", {}, run.commit.slice(0, 8)),
        ...settings.map((setting) => observation(run.settings.get(setting))),
      ]);
    const table = () => detcost.tableOf("Cost in each run", ["run", "commit", ...settings], rows);
    return [
      settings.length ? label : null,
      chart,
      detcost.folded(`All ${runs.length} runs`, table, runs.length <= FEW),
    ];
  };

  /** @param {Observations[]} runs @param {string} setting */
  function chartOf(runs, setting) {
    const points = runs.flatMap((run) => {
      const cost = run.settings.get(setting);
      return cost
        ? [{ label: `TF ${run.tensorflow}`, day: detcost.day(run.measured_at), cost }]
        : [];
    });
    return detcost.historyChart(points, `Cost of ${setting}`);
  }
})();
