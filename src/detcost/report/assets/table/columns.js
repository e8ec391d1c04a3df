/** The columns of the table of settings: their cells, and the values they are sorted by. */
(() => {
  const { el } = detcost;

  /** @type {WeakMap<Candidate, Cell[]>} */
  const knownCells = new WeakMap();

  /** @param {State} state @param {Candidate} candidate */
  function cellsOf({ view, subject }, candidate) {
    const { scenarios, settings } = view.subjects[subject];
    const cells =
      knownCells.get(candidate) ??
      scenarios.flatMap((row) => view.cells[row][settings[candidate.place]] ?? []);
    knownCells.set(candidate, cells);
    return cells;
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

  /** The place of a setting in the answer, or the reason why it does not qualify. @param {State} state @param {Choice} choice @param {Candidate} candidate */
  function says(state, choice, candidate) {
    const { say } = detcost;
    if (candidate.setting === choice.best)
      return el("strong", { class: "badge answer" }, say("answer"));
    if (candidate.tied) return el("span", { class: "badge" }, say("tied"));
    if (candidate.qualifies) return el("span", {}, say("dearer"));
    const { reasons } = candidate;
    const prefix = choice.scenarios.length === 1 ? state.subject : "";
    const short =
      prefix && reasons[0].startsWith(prefix)
        ? reasons[0].slice(prefix.length).replace(/^[:,] /, "")
        : reasons[0];
    const text = short.length > 90 ? `${short.slice(0, 88)} …` : short;
    const rest = reasons.length > 1 ? say("and_more", reasons.length - 1) : "";
    return el("span", { class: "reason" }, text, rest);
  }

  /** @param {State} state @param {Choice} choice @returns {Column[]} */
  function scopeColumns(state, choice) {
    const several = choice.scenarios.length > 1;
    return detcost.index.scopes.map((scope, place) => ({
      key: scope,
      title: scope,
      note: choice.survive.includes(scope) ? "asked" : undefined,
      value: (candidate) => {
        const { rank, check } = striking(state, candidate, place);
        return check?.trials ? rank : null;
      },
      cell: (candidate) => scopeCell(striking(state, candidate, place), several),
    }));
  }

  /** The most striking count of several scenarios, and how many differ or have a note. */
  /** @param {State} state @param {Candidate} candidate @param {number} scope */
  function striking({ view, subject }, candidate, scope) {
    const { scenarios, settings } = view.subjects[subject];
    /** @type {{rank: number, check: Check | null, differed: number, compared: number, notes: string[]}} */
    const out = { rank: -1, check: null, differed: 0, compared: 0, notes: [] };
    for (const row of scenarios) {
      const place = view.checked[row][settings[candidate.place]];
      const rank = place === null ? null : view.sets[place][scope];
      if (rank === null) continue;
      const check = view.checks[rank];
      out.compared += Number(check.trials > 0);
      out.differed += Number(check.divergent > 0 && !check.anyway);
      if (check.note !== null) out.notes.push(check.note);
      if (rank > out.rank) Object.assign(out, { rank, check });
    }
    return out;
  }

  /** @param {ReturnType<typeof striking>} out @param {boolean} several */
  function scopeCell({ check, differed, compared, notes: [note, ...more] }, several) {
    if (!check?.trials) return el("td", { title: check?.why }, check?.count ?? "–");
    if (check.anyway) return el("td", { class: "anyway" }, check.count);
    const share = (/** @type {number} */ count) => `in ${count} of ${compared}`;
    if (check.divergent) {
      const text = several ? share(differed) : `${check.distinct} results`;
      return el("td", { class: "diverged" }, `≠ ${check.count}`, el("small", {}, text));
    }
    const text = note && several ? `${share(1 + more.length)}: ${note}` : note;
    const small = text && el("small", { class: "note" }, text);
    return el("td", {}, check.count, el("small", {}, check.rate), small);
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

  /** Whether a setting gives the bits of default, or in how many scenarios. */
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
    const { view, subject } = state;
    const { scenarios, settings } = view.subjects[subject];
    const text = (/** @type {Candidate} */ candidate) => {
      /** @type {Map<string, string[]>} */
      const names = new Map();
      for (const row of scenarios) {
        const [word] = view.unusable[row]?.[settings[candidate.place]] ?? ["ok"];
        names.set(word, [...(names.get(word) ?? []), view.scenarios[row]]);
      }
      if (scenarios.length === 1) return [...names.keys()][0];
      return [...names]
        .map(([word, own]) =>
          word === "ok" ? `${own.length} ok` : `${word}: ${detcost.listed(own, 3)}`,
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
