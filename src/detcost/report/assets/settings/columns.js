/** The columns of the table of settings: what each shows, and what it is sorted by. */
(() => {
  const { el } = detcost;

  /** @typedef {{scenario: string, cell: Cell | null}} Place */

  /** @type {WeakMap<Candidate, Place[]>} */
  const knownPlaces = new WeakMap();
  /** @type {WeakMap<Candidate, Cell[]>} */
  const knownCells = new WeakMap();

  /** @param {State} state @param {Candidate} candidate @returns {Place[]} */
  function places({ view, subject }, candidate) {
    const { scenarios, settings } = view.subjects[subject];
    const found =
      knownPlaces.get(candidate) ??
      scenarios.map((row) => ({
        scenario: view.scenarios[row],
        cell: view.cells[row][settings[candidate.place]],
      }));
    knownPlaces.set(candidate, found);
    return found;
  }

  /** @param {State} state @param {Candidate} candidate */
  function cellsOf(state, candidate) {
    const found =
      knownCells.get(candidate) ??
      places(state, candidate).flatMap(({ cell }) => (cell === null ? [] : [cell]));
    knownCells.set(candidate, found);
    return found;
  }

  /** The greatest figure over the scenarios. @param {State} state @param {(cell: Cell) => number | null | undefined} of */
  function greatest(state, of) {
    return (/** @type {Candidate} */ candidate) => {
      const known = cellsOf(state, candidate)
        .map(of)
        .filter((value) => typeof value === "number");
      return known.length ? Math.max(...known) : null;
    };
  }

  detcost.columns = (state, choice) => {
    const several = choice.scenarios.length > 1;
    const worst = several ? "worst" : undefined;
    return [
      ...costColumns(choice, several),
      {
        key: "question",
        title: "Your question",
        value: rank(choice),
        cell: (c) => el("td", { class: "words" }, says(state, choice, c)),
      },
      ...scopeColumns(state, choice),
      figure(
        "first-call",
        "First call",
        greatest(state, (cell) => cell.first_call_seconds),
        detcost.seconds,
        worst,
      ),
      figure("memory", "Memory", greatest(state, memory), detcost.bytes, several ? "most" : "peak"),
      figure(
        "severity",
        "Differs by",
        greatest(state, (cell) => cell.severity?.max_ulp),
        ulps,
        worst ?? "at most",
      ),
      figure(
        "error",
        "Error",
        greatest(state, (cell) => cell.accuracy),
        error,
        "against float64",
      ),
      sameBits(state),
      statusColumn(state),
      figure(
        "blocks",
        "Blocks",
        fewest(state),
        (value) => String(value ?? "–"),
        several ? "fewest" : undefined,
      ),
      newest(state),
    ];
  };

  /** @param {Choice} choice @param {boolean} several @returns {Column[]} */
  function costColumns(choice, several) {
    const ends = choice.candidates.flatMap(({ cost, worst }) => [cost, several ? worst : null]);
    const scale = detcost.scale(
      ends.flatMap((cost) => (cost ? [cost.low, cost.ratio, cost.high] : [])),
      4,
      128,
    );
    /** @param {"cost" | "worst"} key @param {string} title @returns {Column} */
    const column = (key, title) => ({
      key,
      title,
      note: "[95 %]",
      value: (candidate) => candidate[key]?.ratio ?? null,
      cell: (c) => el("td", {}, detcost.costCell(c[key], scale, c.setting === "default")),
    });
    return several
      ? [column("cost", "Cost, mean"), column("worst", "Cost, worst")]
      : [column("cost", "Cost")];
  }

  /** @param {Choice} choice */
  function rank(choice) {
    return (/** @type {Candidate} */ candidate) => choice.candidates.indexOf(candidate);
  }

  /** Say what a setting buys, or what stands against it. @param {State} state @param {Choice} choice @param {Candidate} candidate */
  function says(state, choice, candidate) {
    if (candidate.setting === choice.best)
      return el("strong", { class: "badge answer" }, "the answer");
    if (candidate.tied) return el("span", { class: "badge" }, "tied with the answer");
    if (candidate.qualifies) return el("span", {}, "survives; costs more");
    const [reason] = candidate.reasons;
    const prefix = choice.scenarios.length === 1 ? `${state.subject}` : "";
    const short =
      prefix && reason.startsWith(prefix)
        ? reason.slice(prefix.length).replace(/^[:,] /, "")
        : reason;
    const rest = candidate.against - 1;
    const text = short.length > 90 ? `${short.slice(0, 88)} …` : short;
    return el("span", { class: "reason" }, text, rest ? `; and ${rest} more` : "");
  }

  /** @param {State} state @param {Choice} choice @returns {Column[]} */
  function scopeColumns(state, choice) {
    return detcost.index.scopes.map((scope) => ({
      key: scope,
      title: scope,
      note: choice.survive.includes(scope) ? "asked" : undefined,
      value: (candidate) => {
        const { count, extent } = standsOut(state, candidate, scope);
        return count ? extent : null;
      },
      cell: (candidate) =>
        scopeCell(standsOut(state, candidate, scope), choice.scenarios.length > 1),
    }));
  }

  /** Of several scenarios' counts the one that stands out. */
  /** @param {State} state @param {Candidate} candidate @param {string} scope */
  function standsOut(state, candidate, scope) {
    /** @type {{count: Count | undefined, extent: number, anyway: boolean, differed: number, compared: number, notes: string[], reason: string | null}} */
    const found = {
      ...{ count: undefined, extent: 0, anyway: false },
      ...{ differed: 0, compared: 0, notes: [], reason: null },
    };
    for (const cell of cellsOf(state, candidate)) {
      const count = cell.scopes.get(scope);
      if (!count?.trials) {
        found.reason ??= count?.reason ?? null;
        continue;
      }
      const anyway = detcost.differsAnyway(cell, scope);
      const extent = extentOf(count, anyway);
      const note = detcost.note(cell, scope);
      found.compared += 1;
      if (count.divergent && !anyway) found.differed += 1;
      if (note) found.notes.push(note);
      if (!found.count || extent > found.extent) Object.assign(found, { count, extent, anyway });
    }
    return found;
  }

  /** What differed comes before what differs anyway, and that before the highest bound. */
  /** @param {Count} count @param {boolean} anyway */
  function extentOf({ divergent, trials, high }, anyway) {
    const blames = divergent > 0 && !anyway;
    return Number(blames) + divergent / trials + (high ?? 1) * 1e-6;
  }

  /** @param {ReturnType<typeof standsOut>} found @param {boolean} several */
  function scopeCell({ count, anyway, differed, compared, notes, reason }, several) {
    if (!count) return el("td", { title: reason }, reason ? "n/a" : "–");
    if (anyway) return el("td", { class: "anyway" }, detcost.countText(count, anyway));
    const many = several && differed ? el("small", {}, `in ${differed} of ${compared}`) : null;
    if (!count.divergent) {
      const share = several ? `in ${notes.length} of ${compared}: ` : "";
      const note = notes.length > 0 && el("small", { class: "note" }, share + notes[0]);
      const bound = el("small", {}, `≤ ${detcost.percent(count.high)}`);
      return el("td", {}, `0/${count.trials}`, bound, note);
    }
    const groups = several ? null : el("small", {}, `${count.distinct} results`);
    return el("td", { class: "diverged" }, `≠ ${count.divergent}/${count.trials}`, many, groups);
  }

  /** @param {string} key @param {string} title @param {(candidate: Candidate) => number | null} value @param {(value: number | null) => string} write @param {string} [note] @returns {Column} */
  function figure(key, title, value, write, note) {
    return {
      key,
      title,
      note,
      value,
      cell: (candidate) => el("td", { class: "number" }, write(value(candidate))),
    };
  }

  /** @param {Cell} cell */
  function memory(cell) {
    return cell.device_memory_bytes ?? cell.peak_memory_bytes;
  }

  /** @param {number | null} value */
  function ulps(value) {
    if (value === null) return "–";
    return `${value < 1e5 ? value : detcost.general(value, 2)} ulp`;
  }

  /** @param {number | null} value */
  function error(value) {
    return value === null ? "–" : value.toExponential(1);
  }

  /** @param {State} state */
  function fewest(state) {
    return (/** @type {Candidate} */ candidate) => {
      const known = cellsOf(state, candidate).flatMap((cell) =>
        cell.cost ? [cell.cost.block_ratios.length] : [],
      );
      return known.length ? Math.min(...known) : null;
    };
  }

  /** Whether the reference has the bits of default, and of several scenarios' in how many. */
  /** @param {State} state @returns {Column} */
  function sameBits(state) {
    const text = (/** @type {Candidate} */ candidate) => {
      const cells = cellsOf(state, candidate).filter((cell) => cell.status === "ok");
      const words = cells.map((cell) => cell.same_bits_as_default ?? "not known");
      const counts = [...new Set(words)].map((word) => {
        const times = words.filter((each) => each === word).length;
        return words.length > 1 ? `${times} ${word}` : word;
      });
      return words.every((word) => word === "not known") ? null : counts.sort().join(", ");
    };
    return {
      key: "same-bits",
      title: "Same bits",
      note: "as default",
      value: text,
      cell: (c) => el("td", {}, text(c) ?? "–"),
    };
  }

  /** @param {State} state @returns {Column} */
  function statusColumn(state) {
    const text = (/** @type {Candidate} */ candidate) => {
      /** @type {Map<string, string[]>} */
      const names = new Map();
      const all = places(state, candidate);
      for (const { scenario, cell } of all) {
        const status = cell ? detcost.words(cell.status) : "not measured";
        names.set(status, [...(names.get(status) ?? []), scenario]);
      }
      if (all.length === 1) return [...names.keys()][0];
      return [...names]
        .map(([status, own]) =>
          status === "ok" ? `${own.length} ok` : `${status}: ${detcost.listed(own, 3)}`,
        )
        .join("; ");
    };
    return {
      key: "status",
      title: "Status",
      value: text,
      cell: (c) => el("td", { class: "status" }, text(c)),
    };
  }

  /** @param {State} state @returns {Column} */
  function newest(state) {
    const day = (/** @type {Candidate} */ candidate) =>
      cellsOf(state, candidate)
        .map((cell) => cell.measured_at)
        .sort()
        .at(-1) ?? null;
    return {
      key: "measured",
      title: "Measured",
      value: day,
      cell: (c) => el("td", {}, detcost.day(day(c) ?? "–")),
    };
  }
})();
