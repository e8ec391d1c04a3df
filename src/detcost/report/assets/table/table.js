/** The table of settings: sortable rows, which open to their details. */
(() => {
  const { el, need } = detcost;

  /** @typedef {{candidate: Candidate, row: HTMLElement, below: HTMLElement | null}} Row */

  detcost.showTable = (state, choice) => {
    const columns = detcost.columns(state, choice);
    const better = detcost.dominated(state, choice.candidates);
    const failed = failedSettings(state);
    const rows = choice.candidates.map((candidate) => {
      const setting = better.get(candidate.setting);
      const why = setting === undefined ? undefined : detcost.say("dominated", { setting });
      return rowOf(state, candidate, columns, why, failed.has(candidate.setting));
    });
    const body = el("tbody");
    const head = el("tr", {}, ...heads(state, columns, () => arrange(state, rows, columns, body)));
    need("settings").replaceChildren(caption(state, choice), el("thead", {}, head), body);
    arrange(state, rows, columns, body);
    for (const row of rows)
      if (state.open.has(row.candidate.setting)) toggle(state, row, columns.length, true);
    need("anyway").textContent = explained(state);
    need("not-measured").textContent = absent(state);
  };

  /** @param {State} state @param {Choice} choice */
  function caption(state, choice) {
    const what =
      choice.scenarios.length > 1 ? `${choice.scenarios.length} scenarios` : choice.scenarios[0];
    return el(
      "caption",
      {},
      `${choice.candidates.length} settings, ${what} on ${state.view.device}`,
    );
  }

  /** The headers of the columns, which sort the rows. */
  /** @param {State} state @param {Column[]} columns @param {() => void} changed */
  function heads(state, columns, changed) {
    const first = { key: "setting", title: "Setting", note: undefined };
    /** @type {HTMLElement[]} */
    const cells = [first, ...columns].map(({ key, title, note }) => {
      const click = () => {
        state.sort = state.sort === key ? `-${key}` : state.sort === `-${key}` ? "" : key;
        detcost.go({ sort: state.sort }, true);
        for (const cell of cells)
          cell.setAttribute("aria-sort", direction(state, String(cell.dataset.key)));
        changed();
      };
      const button = el("button", { type: "button", click }, title);
      const small = note ? el("small", {}, note) : null;
      return el(
        "th",
        { scope: "col", "data-key": key, "aria-sort": direction(state, key) },
        button,
        small,
      );
    });
    return cells;
  }

  /** @param {State} state @param {string} key */
  function direction({ sort }, key) {
    if (sort === key) return "ascending";
    return sort === `-${key}` ? "descending" : "none";
  }

  /** Sort the rows. Unknown values come last in both directions. */
  /** @param {State} state @param {Row[]} rows @param {Column[]} columns @param {HTMLElement} body */
  function arrange({ sort }, rows, columns, body) {
    const key = sort.replace(/^-/, "");
    const column = columns.find((each) => each.key === key);
    const value =
      column?.value ?? (key === "setting" ? (/** @type {Candidate} */ c) => c.setting : null);
    const order = value ? sorted(rows, value, sort.startsWith("-") ? -1 : 1) : rows;
    body.replaceChildren(...order.flatMap(({ row, below }) => (below ? [row, below] : [row])));
  }

  /** @param {Row[]} rows @param {Column["value"]} value @param {number} sign */
  function sorted(rows, value, sign) {
    const known = rows.map((row) => ({ row, at: value(row.candidate) }));
    known.sort((one, other) => {
      if (one.at === null || other.at === null)
        return Number(one.at === null) - Number(other.at === null);
      return one.at === other.at ? 0 : sign * (one.at < other.at ? -1 : 1);
    });
    return known.map(({ row }) => row);
  }

  /** @param {State} state @param {Candidate} candidate @param {Column[]} columns @param {string | undefined} why @param {boolean} failed */
  function rowOf(state, candidate, columns, why, failed) {
    const { setting } = candidate;
    const button = el(
      "button",
      { type: "button", class: "opener", "aria-expanded": "false" },
      detcost.breakable(setting),
    );
    const marks = [
      failed ? el("span", { class: "badge alarm" }, "controls failed") : null,
      why ? el("span", { class: "visually-hidden" }, why) : null,
    ];
    const name = el("th", { scope: "row", title: why }, button, ...marks);
    const row = el("tr", { "data-setting": setting, class: why ? "dominated" : null }, name);
    row.append(...columns.map((column) => column.cell(candidate)));
    /** @type {Row} */
    const made = { candidate, row, below: null };
    button.addEventListener("click", () => {
      toggle(state, made, columns.length, !made.below);
      detcost.go({ open: [...state.open].join(",") }, true);
    });
    return made;
  }

  /** @param {State} state @param {Row} row @param {number} columns @param {boolean} open */
  function toggle(state, row, columns, open) {
    const { setting } = row.candidate;
    row.row.querySelector(".opener")?.setAttribute("aria-expanded", String(open));
    row.below?.remove();
    row.below = null;
    if (open) {
      state.open.add(setting);
      const content = detcost.details(state, row.candidate);
      row.below = el("tr", { class: "details" }, el("td", { colspan: columns + 1 }, content));
      row.row.after(row.below);
    } else state.open.delete(setting);
  }

  /** The settings with a run whose controls failed. @param {State} state */
  function failedSettings({ view, subject, machineData }) {
    const { scenarios, settings } = view.subjects[subject];
    const failed = settings.filter((column) =>
      scenarios.some((row) => {
        const cell = view.cells[row][column];
        return cell && detcost.own(machineData.runs, cell.run)?.failed_controls.length;
      }),
    );
    return new Set(failed.map((column) => view.settings[column]));
  }

  /** The meaning of parentheses around a count, if there are any. @param {State} state */
  function explained({ view, subject }) {
    const { scenarios, settings } = view.subjects[subject];
    const some = scenarios.some((row) =>
      settings.some((column) => detcost.checksOf(view, row, column).some((check) => check?.anyway)),
    );
    return some ? detcost.say("anyway") : "";
  }

  /** The scenarios of the report that this view does not have. @param {State} state */
  function absent({ view, card }) {
    const names = Object.keys(detcost.index.scenarios).filter(
      (name) => !view.scenarios.includes(name),
    );
    if (!names.length) return "";
    return `Not measured on ${view.device} of ${card.name}: ${detcost.listed(names, 12)}.`;
  }
})();
