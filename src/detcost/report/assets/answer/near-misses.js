/** Where one answer for all is none, or not enough: how near each setting came, and scenario by scenario. */
(() => {
  const { el } = detcost;
  const MOST = 3;

  /** @param {Question} question @param {Candidate} candidate @returns {string[]} */
  function againstIt({ view, subject, survive, maxRate }, candidate) {
    const said = [...unmeasured(view, view.subjects[subject], candidate)];
    const several = view.subjects[subject].scenarios.length > 1;
    for (const scope of survive) {
      const against = candidate.findings.filter((f) => f.scope === scope && f.standsAgainst);
      const where = (/** @type {Finding[]} */ found) => {
        const names = found.map((f) => f.scenario);
        return several ? ` (${detcost.listed(names, 3)})` : "";
      };
      const differed = against.filter((f) => f.divergent && !f.anyway);
      const anyway = against.filter((f) => f.anyway);
      const loose = against.filter((f) => !f.divergent && f.trials);
      const blank = against.filter((f) => !f.trials);
      if (differed.length) {
        const worst = differed.reduce((a, b) =>
          b.divergent / b.trials > a.divergent / a.trials ? b : a,
        );
        const most = several ? "up to " : "";
        said.push(`${scope}: ${most}${worst.why}${where(differed)}`);
      }
      if (anyway.length) said.push(`${scope}: ${anyway[0].why}${where(anyway)}`);
      if (loose.length) {
        const worst = loose.reduce((a, b) => ((b.high ?? 1) > (a.high ?? 1) ? b : a));
        const bound = `bounds the rate at ${detcost.percent(worst.high)}, not ${detcost.percent(maxRate)}`;
        said.push(`${scope}: 0 of ${worst.trials} differed, which ${bound}${where(loose)}`);
      }
      if (blank.length) said.push(`${scope}: ${blank[0].why}${where(blank)}`);
    }
    return said.length ? said : candidate.reasons;
  }

  /** What a setting has no figures of, by status. @param {View} view @param {Subject} subject @param {Candidate} candidate */
  function unmeasured(view, subject, candidate) {
    /** @type {Map<string, string[]>} */
    const names = new Map();
    for (const row of subject.scenarios) {
      const cell = view.cells[row][subject.settings[candidate.place]];
      const status = cell ? detcost.words(cell.status) : "not measured";
      if (status !== "ok") names.set(status, [...(names.get(status) ?? []), view.scenarios[row]]);
    }
    return [...names].map(([status, scenarios]) => `${status}: ${detcost.listed(scenarios, 3)}`);
  }

  /** How far a setting is from qualifying: what differed cannot be mended by measuring more. */
  /** @param {Candidate} candidate */
  function distance({ against, findings }) {
    const loose = findings.filter((f) => f.standsAgainst && !f.divergent && f.trials).length;
    return (against - loose) * 1e6 + loose;
  }

  detcost.nearMisses = (state, choice) => {
    const nearest = [...choice.candidates].sort((one, other) => distance(one) - distance(other));
    const item = (/** @type {Candidate} */ candidate) => {
      const said = againstIt(state, candidate).map((text) => el("li", {}, text));
      const name = el("b", { class: "setting" }, detcost.breakable(candidate.setting));
      const cost = candidate.cost ? ` at ${costOf(candidate)}` : "";
      return el("li", {}, name, cost, el("ul", {}, ...said));
    };
    const rest = nearest.slice(MOST);
    const more = () => el("ol", { start: MOST + 1 }, ...rest.map(item));
    return el(
      "div",
      { class: "misses" },
      easier(state),
      el("h3", {}, "What stands against each, the nearest first"),
      el("ol", {}, ...nearest.slice(0, MOST).map(item)),
      rest.length ? detcost.folded(`The other ${rest.length}`, more) : null,
    );
  };

  /** Say what would qualify if one thing less were asked. @param {State} state */
  function easier(state) {
    /** @type {[string, Record<string, string>, Question][]} */
    const less =
      state.survive.length < 2
        ? []
        : state.survive.map((scope) => {
            const survive = state.survive.filter((each) => each !== scope);
            return [`without ${scope}`, { survive: survive.join(",") }, { ...state, survive }];
          });
    if (state.maxRate !== null) {
      less.unshift(["with any bound", { "max-rate": "" }, { ...state, maxRate: null }]);
    }
    const answers = less.flatMap(([words, changes, question]) => {
      const best = detcost.best(question);
      if (!best) return [];
      const text = `${words}: ${best.setting} at ${costOf(best)}`;
      const ask = el(
        "button",
        { type: "button", class: "link", click: () => detcost.go(changes) },
        text,
      );
      return [el("li", {}, ask)];
    });
    if (!answers.length) return null;
    return el("div", {}, el("h3", {}, "If less were asked"), el("ul", {}, ...answers));
  }

  /** @param {Ranked} candidate */
  function costOf({ setting, cost }) {
    return setting === "default" ? "1" : detcost.costText(cost);
  }

  detcost.eachScenario = (state) => {
    const { scenarios } = state.view.subjects[state.subject];
    if (scenarios.length < 2) return null;
    const summary = `The cheapest for each of the ${scenarios.length} scenarios by itself`;
    return detcost.folded(summary, () => {
      const heads = ["scenario", "setting", "cost [95 %]", "bounds", "tied with it"];
      return detcost.tableOf(
        summary,
        heads,
        scenarios.map((row) => rowOf(state, state.view.scenarios[row])),
      );
    });
  };

  /** @param {State} state @param {string} scenario @returns {Child[]} */
  function rowOf(state, scenario) {
    const { best, candidates } = detcost.choose({ ...state, subject: scenario });
    const go = () => detcost.go({ scenario });
    const name = el(
      "button",
      { type: "button", class: "link", click: go },
      detcost.breakable(scenario),
    );
    const [first] = candidates;
    if (best === null) {
      return [name, "none qualifies", "–", detcost.listed(first?.reasons ?? [], 2), ""];
    }
    const tied = candidates
      .filter((each) => each.tied && each !== first)
      .map((each) => each.setting);
    const bounds = first.findings.map((found) => el("div", { class: "figure" }, boundOf(found)));
    const cost = el("span", { class: "figure" }, costOf(first));
    return [
      name,
      detcost.breakable(best),
      cost,
      el("div", {}, ...bounds),
      detcost.breakable(tied.join(", ")),
    ];
  }

  /** @param {Finding} finding */
  function boundOf({ scope, applies, divergent, trials, high, note }) {
    if (!applies) return `${scope} n/a`;
    const bound = `${scope} ${divergent}/${trials} ≤ ${detcost.percent(high)}`;
    return note ? `${bound} (${note})` : bound;
  }
})();
