/** What a row opens to: the blocks, which circumstances agree, and where the figures come from. */
(() => {
  const { el } = detcost;

  detcost.details = (state, candidate) => {
    const { scenarios, settings } = state.view.subjects[state.subject];
    const column = settings[candidate.place];
    if (scenarios.length > 1) return byScenario(state, candidate, column);
    return ofCell(state, state.view.cells[scenarios[0]][column], candidate.setting);
  };

  /** @param {State} state @param {Candidate} candidate @param {number} column */
  function byScenario(state, candidate, column) {
    const { view, survive } = state;
    const { scenarios } = view.subjects[state.subject];
    const heads = ["scenario", "status", "cost [95 %]", "verdict", ...survive];
    const label = `${candidate.setting} in each scenario`;
    const body = el("tbody");
    const draw = (/** @type {number} */ row) =>
      scenarioRow(state, row, column, candidate.setting, heads.length);
    const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
    const more = detcost.sliced(scenarios, body, draw);
    const caption = el("caption", { class: "visually-hidden" }, label);
    const table = el("table", { class: "nested" }, caption, el("thead", {}, head), body);
    return el("div", { class: "within" }, detcost.scroller(label, table), more);
  }

  /** A scenario's row, with its details below once it was opened. */
  /** @param {State} state @param {number} row @param {number} column @param {string} setting @param {number} width */
  function scenarioRow(state, row, column, setting, width) {
    const { view, survive } = state;
    const cell = view.cells[row][column];
    const fragment = document.createDocumentFragment();
    const opener = el(
      "button",
      { type: "button", class: "opener", "aria-expanded": "false" },
      detcost.breakable(view.scenarios[row]),
    );
    const counts = survive.map((scope) => {
      const count = cell?.scopes.get(scope);
      const anyway = cell ? detcost.differsAnyway(cell, scope) : false;
      const note = cell && detcost.note(cell, scope);
      const mark = count?.divergent && !anyway ? "≠ " : "";
      const text = mark + detcost.countText(count, anyway);
      return el("td", { class: marked(count, anyway) }, text, note && el("small", {}, note));
    });
    const cost = cell?.status === "ok" ? cell.cost : null;
    const verdict = setting === "default" ? "A/A" : cost ? detcost.verdictMark(cost.verdict) : "–";
    const status = cell ? detcost.words(cell.status) : "not measured";
    const cells = [
      el("td", {}, status),
      el("td", { class: "figure" }, detcost.costText(cost)),
      el("td", {}, verdict),
    ];
    const own = el("tr", {}, el("th", { scope: "row" }, opener), ...cells, ...counts);
    const below = el("tr", { hidden: true }, el("td", { colspan: width }));
    opener.addEventListener("click", () => {
      below.hidden = !below.hidden;
      opener.setAttribute("aria-expanded", String(!below.hidden));
      const place = /** @type {HTMLElement} */ (below.firstElementChild);
      if (!place.childNodes.length) place.append(ofCell(state, cell, setting));
    });
    fragment.append(own, below);
    return fragment;
  }

  /** What differs is marked, and what differs anyway is not. */
  /** @param {Count | undefined} count @param {boolean} anyway */
  function marked(count, anyway) {
    if (anyway) return "anyway";
    return count?.divergent ? "diverged" : null;
  }

  /** @param {State} state @param {Cell | null} cell @param {string} setting */
  function ofCell(state, cell, setting) {
    if (!cell) return el("p", { class: "cell within" }, "Not measured.");
    const parts = [facts(state, cell)];
    if (cell.status !== "ok") {
      const reason = cell.reason ?? "no reason was given";
      const text = el("pre", { tabindex: 0, role: "group", "aria-label": "reason" }, reason);
      parts.unshift(el("div", {}, el("h3", {}, detcost.words(cell.status)), text));
    } else {
      const isDefault = (cell.stands_for ?? setting) === "default";
      const chart = cell.cost ? detcost.blockChart(cell.cost, isDefault) : null;
      parts.unshift(el("div", {}, el("h3", {}, "Block by block"), chart), scopes(cell));
    }
    return el("div", { class: "cell within" }, ...parts);
  }

  /** @param {Cell} cell */
  function scopes(cell) {
    const rows = detcost.index.scopes.flatMap((scope) => {
      const count = cell.scopes.get(scope);
      if (!count) return [];
      return [/** @type {[string, Child]} */ ([scope, scopeText(cell, scope, count)])];
    });
    return el("div", {}, el("h3", {}, "Bits, scope by scope"), detcost.definitions(rows));
  }

  /** @param {Cell} cell @param {string} scope @param {Count} count */
  function scopeText(cell, scope, count) {
    if (!count.trials)
      return el("span", {}, count.reason ? `n/a: ${count.reason}` : notTried(count));
    const anyway = detcost.differsAnyway(cell, scope);
    const { first_call: call, skipped: left } = count;
    const where = anyway || call === null ? "" : `first differs at call ${call}`;
    const skipped = left.length ? `could not be tried: ${left.join(", ")}` : "";
    const words = [detcost.countText(count, anyway), detcost.note(cell, scope), where, skipped];
    const text = el("span", { class: marked(count, anyway) }, words.filter(Boolean).join("; "));
    const own = scope === "repeat" || scope === "process";
    return el("div", {}, text, ...(own ? [] : agreeing(scope, count, anyway)));
  }

  /** @param {Count} count */
  function notTried({ skipped }) {
    return `not measured${skipped.length ? ` (${skipped.join(", ")} could not be tried)` : ""}`;
  }

  /** Say which circumstances agree, unless a race and not the scope decides that. */
  /** @param {string} scope @param {Count} count @param {boolean} anyway */
  function agreeing(scope, count, anyway) {
    if (anyway) return [el("p", {}, detcost.index.remarks.anyway)];
    if (!count.partition) {
      if (!count.divergent) return [];
      const text = "All tried agree with one another, and not all with the first output.";
      return [el("p", {}, text)];
    }
    const groups = count.partition.split(" | ");
    const what = scope === "threads" ? "sizes of the thread pools" : "what was tried";
    const words = `${groups.length} different results; ${what} in one box gave the same bits:`;
    const boxes = groups.map((group, i) =>
      el("li", { class: `swatch s${i % 6}` }, el("b", {}, letter(i)), el("span", {}, group)),
    );
    return [el("p", {}, words), el("ul", { class: "partition" }, ...boxes)];
  }

  /** @param {number} place */
  function letter(place) {
    return place < 26 ? String.fromCharCode(65 + place) : String(place + 1);
  }

  /** @param {State} state @param {Cell} cell */
  function facts({ machineData }, cell) {
    const { severity, cost } = cell;
    const failures = detcost.own(machineData.runs, cell.run)?.failed_controls ?? [];
    /** @type {[string, Child][]} */
    const rows = [
      [
        "controls",
        failures.length
          ? el("strong", { class: "alarm" }, `FAILED: ${failures.join("; ")}`)
          : "none failed",
      ],
      ["measured as", cell.stands_for && `${cell.stands_for}: the other levers mean nothing here`],
      ["verdict", cost && `${cost.verdict}${cost.why ? `: ${cost.why}` : ""}`],
      ["first call", detcost.seconds(cell.first_call_seconds)],
      ["peak memory", detcost.bytes(cell.peak_memory_bytes)],
      [
        "device memory",
        cell.device_memory_bytes === null ? null : detcost.bytes(cell.device_memory_bytes),
      ],
      ["differs by", severity && severityText(severity)],
      ["error against float64", cell.accuracy === null ? null : cell.accuracy.toExponential(2)],
      ["default against itself", detcost.costText(cell.same_setting)],
      ["digest", cell.digest && el("code", {}, cell.digest)],
      ["same bits as default", cell.status === "ok" && (cell.same_bits_as_default ?? "–")],
      ["left out of the program", cell.overridden],
      ["run", el("code", {}, cell.run)],
      ["profile, seed", `${cell.profile ?? "unknown"}, ${cell.seed}`],
      ["measured", cell.measured_at],
      ["commit", cell.commit && el("code", {}, cell.commit.slice(0, 12))],
    ];
    const known = rows.filter(([, value]) => value);
    return el("div", {}, el("h3", {}, "Where it comes from"), detcost.definitions(known));
  }

  /** @param {Severity} severity */
  function severityText({ max_ulp: ulp, fraction_differing: share, mean_relative: mean, outputs }) {
    const parts = [];
    if (ulp !== null) parts.push(`up to ${ulp.toLocaleString("en-GB")} ulp`);
    if (share !== null) parts.push(`${detcost.percent(share)} of the elements`);
    if (mean !== null) parts.push(`mean relative difference ${mean.toExponential(1)}`);
    const which = outputs.length ? `; in ${detcost.listed(outputs, 20)}` : "";
    return `${parts.join(", ") || "unknown"} (worst seen)${which}`;
  }
})();
