/** The details of a row: blocks, scopes, which variants agree, and the source of the figures. */
(() => {
  const { el } = detcost;

  detcost.details = (state, candidate) => {
    const { scenarios, settings } = state.view.subjects[state.subject];
    const column = settings[candidate.place];
    if (scenarios.length > 1) return byScenario(state, candidate, column);
    return ofCell(state, scenarios[0], column, candidate.setting);
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

  /** The row of a scenario. Its details are made when it is opened. */
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
    const checks = detcost.checksOf(view, row, column);
    const counts = survive.map((scope) => {
      const check = checks[detcost.index.scopes.indexOf(scope)];
      const mark = check?.divergent && !check.anyway ? "≠ " : "";
      const text = check ? `${mark}${check.count} ${check.rate}` : "–";
      const note = check?.note && el("small", {}, check.note);
      return el("td", { class: marked(check) }, text, note);
    });
    const cost = cell?.status === "ok" ? cell.cost : null;
    const verdict = setting === "default" ? "A/A" : cost ? detcost.verdictMark(cost.verdict) : "–";
    const [status] = view.unusable[row]?.[column] ?? ["ok"];
    const cells = [
      el("td", {}, status),
      el("td", { class: "figure" }, cost?.text ?? "–"),
      el("td", {}, verdict),
    ];
    const own = el("tr", {}, el("th", { scope: "row" }, opener), ...cells, ...counts);
    const below = el("tr", { hidden: true }, el("td", { colspan: width }));
    opener.addEventListener("click", () => {
      below.hidden = !below.hidden;
      opener.setAttribute("aria-expanded", String(!below.hidden));
      const place = /** @type {HTMLElement} */ (below.firstElementChild);
      if (!place.childNodes.length) place.append(ofCell(state, row, column, setting));
    });
    fragment.append(own, below);
    return fragment;
  }

  /** The class of a count that differs, or that differs anyway. */
  /** @param {Check | null} check */
  function marked(check) {
    if (check?.anyway) return "anyway";
    return check?.divergent ? "diverged" : null;
  }

  /** @param {State} state @param {number} row @param {number} column @param {string} setting */
  function ofCell(state, row, column, setting) {
    const cell = state.view.cells[row][column];
    if (!cell) return el("p", { class: "cell within" }, "Not measured.");
    const parts = [facts(state, cell)];
    if (cell.status !== "ok") {
      const reason = cell.reason ?? "no reason is known";
      const text = el("pre", { tabindex: 0, role: "group", "aria-label": "reason" }, reason);
      parts.unshift(el("div", {}, el("h3", {}, detcost.spaced(cell.status)), text));
    } else {
      const isDefault = (cell.stands_for ?? setting) === "default";
      const chart = cell.cost ? detcost.blockChart(cell.cost, isDefault) : null;
      const checks = scopes(detcost.checksOf(state.view, row, column));
      const curves = detcost.followed(setting, cell.followed, ofDefault(state, row, cell));
      parts.unshift(el("div", {}, el("h3", {}, "Block by block"), chart), checks);
      if (curves) parts.push(curves);
    }
    return el("div", { class: "cell within" }, ...parts);
  }

  /** The curves of default in the same run. @param {State} state @param {number} row @param {Cell} cell */
  function ofDefault({ view }, row, cell) {
    const other = view.cells[row][view.settings.indexOf("default")];
    return other && other !== cell && other.run === cell.run ? other.followed : [];
  }

  /** @param {(Check | null)[]} checks */
  function scopes(checks) {
    const rows = checks.flatMap((check, place) => {
      if (!check) return [];
      return [/** @type {[string, Child]} */ ([detcost.index.scopes[place], scopeText(check)])];
    });
    return el("div", {}, el("h3", {}, "Bits, scope by scope"), detcost.definitions(rows));
  }

  /** @param {Check} check */
  function scopeText(check) {
    const text = el("span", { class: marked(check) }, check.details);
    const remark = check.remark && el("p", {}, check.remark);
    const groups = check.partition && boxes(check.partition.split(" | "));
    return el("div", {}, text, remark, groups);
  }

  /** Variants that gave the same bits are in one box. @param {string[]} groups */
  function boxes(groups) {
    const items = groups.map((group, i) =>
      el("li", { class: `swatch s${i % 6}` }, el("b", {}, letter(i)), el("span", {}, group)),
    );
    return el("ul", { class: "partition" }, ...items);
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
      ["default against itself", cell.same_setting?.text],
      ["digest", cell.digest && el("code", {}, cell.digest)],
      ["draws", cell.draws],
      ["same bits as default", cell.status === "ok" && (cell.same_bits_as_default ?? "–")],
      ["left out of the program", cell.overridden],
      ["run", el("code", {}, cell.run)],
      ["profile, seed", `${cell.profile ?? "unknown"}, ${cell.seed}`],
      ["measured", cell.measured_at],
      ["commit", cell.commit && el("code", {}, cell.commit.slice(0, 12))],
    ];
    const known = rows.filter(([, value]) => value);
    return el("div", {}, el("h3", {}, "Source"), detcost.definitions(known));
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
