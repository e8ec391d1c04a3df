/** The table as files that programs can read. */
(() => {
  const { need } = detcost;

  /** @type {(() => void) | null} */
  let csv = null;
  /** @type {(() => void) | null} */
  let json = null;

  detcost.downloads = (state, choice) => {
    if (!csv) {
      need("download-csv").addEventListener("click", () => csv?.());
      need("download-json").addEventListener("click", () => json?.());
    }
    csv = () => save("detcost.csv", "text/csv", csvText(rowsOf(state, choice)));
    json = () => {
      const shown = { headline: detcost.headline(choice), ...choice, cells: rowsOf(state, choice) };
      save("detcost.json", "application/json", `${JSON.stringify(shown, null, 2)}\n`);
    };
  };

  /** @param {string} name @param {string} type @param {string} text */
  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  /** A row for each cell. @param {State} state @param {Choice} choice */
  function rowsOf(state, choice) {
    const { view, subject, card } = state;
    const { scenarios, settings } = view.subjects[subject];
    const { tensorflow, device, size, dtype } = view;
    return choice.candidates.flatMap((candidate) =>
      scenarios.map((row) => ({
        machine: card.name,
        tensorflow,
        device,
        size,
        dtype,
        scenario: view.scenarios[row],
        setting: candidate.setting,
        qualifies: candidate.qualifies,
        tied: candidate.tied,
        mean_cost: candidate.cost?.ratio ?? null,
        mean_cost_low: candidate.cost?.low ?? null,
        mean_cost_high: candidate.cost?.high ?? null,
        ...ofCell(state, row, settings[candidate.place]),
      })),
    );
  }

  /** @param {State} state @param {number} place @param {number} column */
  function ofCell({ machineData, view }, place, column) {
    const cell = view.cells[place][column];
    const checks = detcost.checksOf(view, place, column);
    /** @type {Record<string, unknown>} */
    const row = {
      status: cell?.status ?? "not measured",
      reason: cell?.reason,
      measured_as: cell?.stands_for,
      cost: cell?.cost?.ratio,
      cost_low: cell?.cost?.low,
      cost_high: cell?.cost?.high,
      verdict: cell?.cost?.verdict,
      blocks: cell?.cost?.block_ratios.length,
    };
    for (const [i, scope] of detcost.index.scopes.entries()) {
      const check = checks[i];
      row[`${scope}_divergent`] = check?.divergent;
      row[`${scope}_trials`] = check?.trials;
      row[`${scope}_low`] = check?.low;
      row[`${scope}_high`] = check?.high;
      row[`${scope}_agreeing`] = check?.partition;
      row[`${scope}_first_call`] = check?.first_call;
      row[`${scope}_differs_anyway`] = check?.anyway;
    }
    return { ...row, ...origin(machineData, cell) };
  }

  /** @param {Machine} machineData @param {Cell | null} cell */
  function origin(machineData, cell) {
    return {
      first_call_seconds: cell?.first_call_seconds,
      peak_memory_bytes: cell?.peak_memory_bytes,
      device_memory_bytes: cell?.device_memory_bytes,
      max_ulp: cell?.severity?.max_ulp,
      accuracy: cell?.accuracy,
      digest: cell?.digest,
      same_bits_as_default: cell?.same_bits_as_default,
      carries_state: cell?.carries_state,
      overridden: cell?.overridden,
      run: cell?.run,
      measured_at: cell?.measured_at,
      profile: cell?.profile,
      seed: cell?.seed,
      commit: cell?.commit,
      failed_controls: cell && detcost.own(machineData.runs, cell.run)?.failed_controls.join("; "),
    };
  }

  /** @param {Record<string, unknown>[]} rows */
  function csvText(rows) {
    const names = Object.keys(rows[0] ?? {});
    const lines = rows.map((row) => names.map((name) => field(row[name])).join(","));
    return [names.join(","), ...lines, ""].join("\r\n");
  }

  /** A field. Untrusted text that a spreadsheet would run as a formula gets an apostrophe. */
  /** @param {unknown} value */
  function field(value) {
    if (value === null || value === undefined) return "";
    const text =
      typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
})();
