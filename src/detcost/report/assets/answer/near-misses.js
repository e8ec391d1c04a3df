/** Near misses: why each setting does not qualify. And the best setting of each scenario. */
(() => {
  const { el } = detcost;
  const MOST = 3;

  /** The reasons why a setting does not qualify, one for each scope and kind of reason. */
  /** @param {Question} question @param {Candidate} candidate @returns {string[]} */
  function against({ view, subject, survive }, candidate) {
    const about = view.subjects[subject];
    const lines = [...unmeasured(view, about, candidate)];
    for (const scope of survive) {
      const own = candidate.findings.filter((each) => each.scope === scope && each.disqualifies);
      own.sort((one, other) => other.rank - one.rank);
      for (const alike of grouped(own)) lines.push(lineOf(alike, about.scenarios.length > 1));
    }
    return lines.length ? lines : candidate.reasons;
  }

  /** Findings by the kind of reason. @param {Finding[]} findings */
  function grouped(findings) {
    /** @type {Map<string, Finding[]>} */
    const groups = new Map();
    for (const each of findings) {
      const { divergent, anyway, trials } = each;
      const key = [divergent > 0, anyway, trials > 0].join();
      groups.set(key, [...(groups.get(key) ?? []), each]);
    }
    return groups.values();
  }

  /** @param {Finding[]} alike The worst first. @param {boolean} several */
  function lineOf(alike, several) {
    const [worst] = alike;
    const line = `${worst.scope}: ${worst.why}`;
    if (!several) return line;
    const scenarios = detcost.listed(
      alike.map(({ scenario }) => scenario),
      3,
    );
    const same = alike.every((each) => each.why === worst.why);
    return line + detcost.say(same ? "in_scenarios" : "worst_of", { scenarios });
  }

  /** @param {View} view @param {Subject} subject @param {Candidate} candidate */
  function unmeasured(view, subject, candidate) {
    /** @type {Map<string, string[]>} */
    const names = new Map();
    for (const row of subject.scenarios) {
      const [word] = view.unusable[row]?.[subject.settings[candidate.place]] ?? [];
      if (word) names.set(word, [...(names.get(word) ?? []), view.scenarios[row]]);
    }
    return [...names].map(([word, scenarios]) => `${word}: ${detcost.listed(scenarios, 3)}`);
  }

  /** The distance from qualifying. More measurements can only lower a bound. */
  /** @param {State} state @param {Candidate} candidate */
  function distance({ view, subject }, { findings, place }) {
    const { scenarios, settings } = view.subjects[subject];
    const lost = scenarios.filter((row) => view.unusable[row]?.[settings[place]]).length;
    const standing = findings.filter((each) => each.disqualifies);
    const loose = standing.filter((each) => each.check.lowest !== null).length;
    return (lost + standing.length - loose) * 1e6 + loose;
  }

  detcost.nearMisses = (state, choice) => {
    const nearest = choice.candidates
      .map((candidate) => ({ candidate, far: distance(state, candidate) }))
      .sort((one, other) => one.far - other.far)
      .map(({ candidate }) => candidate);
    const item = (/** @type {Candidate} */ candidate) => {
      const lines = against(state, candidate).map((text) => el("li", {}, text));
      const name = el("b", { class: "setting" }, detcost.breakable(candidate.setting));
      const cost = candidate.cost ? ` at ${costOf(candidate)}` : "";
      return el("li", {}, name, cost, el("ul", {}, ...lines));
    };
    const rest = nearest.slice(MOST);
    const more = () => el("ol", { start: MOST + 1 }, ...rest.map(item));
    return el(
      "div",
      { class: "misses" },
      easier(state),
      el("h3", {}, "Why each setting does not qualify, nearest first"),
      el("ol", {}, ...nearest.slice(0, MOST).map(item)),
      rest.length ? detcost.folded(`The other ${rest.length}`, more) : null,
    );
  };

  /** The questions with one condition less. @param {State} state */
  function* less(state) {
    const { survive } = state;
    if (state.maxRate !== null) {
      yield { label: "with any bound", changes: { "max-rate": "" }, question: { maxRate: null } };
    }
    for (const scope of survive.length > 1 ? survive : []) {
      const rest = survive.filter((each) => each !== scope);
      const changes = { survive: rest.join(",") };
      yield { label: `without ${scope}`, changes, question: { survive: rest } };
    }
  }

  /** The settings that would qualify with one condition less. @param {State} state */
  function easier(state) {
    const answers = [...less(state)].flatMap(({ label, changes, question }) => {
      const [best] = detcost.candidates({ ...state, ...question });
      if (!best?.qualifies) return [];
      const click = () => detcost.go(changes);
      const text = `${label}: ${best.setting} at ${costOf(best)}`;
      return [el("li", {}, el("button", { type: "button", class: "link", click }, text))];
    });
    if (!answers.length) return null;
    return el("div", {}, el("h3", {}, "With one condition less"), el("ul", {}, ...answers));
  }

  /** @param {Candidate} candidate */
  function costOf({ setting, cost }) {
    return setting === "default" ? "1" : (cost?.text ?? "–");
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
    const [first, ...others] = detcost.candidates({ ...state, subject: scenario });
    const click = () => detcost.go({ scenario });
    const label = detcost.breakable(scenario);
    const name = el("button", { type: "button", class: "link", click }, label);
    if (!first?.qualifies) {
      return [name, "none qualifies", "–", detcost.listed(first?.reasons ?? [], 2), ""];
    }
    const tied = others.filter((each) => each.tied).map((each) => each.setting);
    const bounds = first.findings.map((each) => el("div", { class: "figure" }, boundOf(each)));
    return [
      name,
      detcost.breakable(first.setting),
      el("span", { class: "figure" }, costOf(first)),
      el("div", {}, ...bounds),
      detcost.breakable(tied.join(", ")),
    ];
  }

  /** @param {Finding} finding */
  function boundOf({ scope, check }) {
    const bound = `${scope} ${check.count} ${check.rate}`;
    return check.note ? `${bound} (${check.note})` : bound;
  }
})();
