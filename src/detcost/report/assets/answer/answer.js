/** The answer card: which setting, what it costs, what was seen, and how to get it. */
(() => {
  const { el, need } = detcost;

  detcost.showAnswer = (state, choice) => {
    const section = need("answer");
    section.dataset.best = choice.best ?? "";
    section.removeAttribute("aria-busy");
    const parts = choice.best === null ? without(state, choice) : found(choice.best, state, choice);
    section.replaceChildren(...parts, ...missing(choice), provenance(state, choice));
  };

  detcost.showBanner = (choice) => {
    const banner = need("banner");
    const failures = choice.source.failedControls;
    banner.hidden = !failures.length;
    const text = failures.length
      ? `CONTROLS FAILED: ${failures.join("; ")}; trust nothing here`
      : "";
    if (banner.textContent !== text) banner.textContent = text;
  };

  /** @param {string} best @param {State} state @param {Choice} choice @returns {Node[]} */
  function found(best, state, choice) {
    const [first] = choice.candidates;
    return [
      el("p", { class: "eyebrow" }, "The cheapest setting measured that survives"),
      el("h2", { id: "answer-heading", class: "setting" }, detcost.breakable(best)),
      el("p", { class: "headline" }, detcost.headline(choice)),
      warning(choice),
      el("div", { class: "facts" }, price(first, choice), seen(first, choice)),
      ...remarks(first, choice),
      snippets(choice),
      detcost.eachScenario(state),
    ].filter((part) => part !== null);
  }

  /** @param {State} state @param {Choice} choice @returns {Node[]} */
  function without(state, choice) {
    return [
      el("p", { class: "eyebrow" }, "No answer"),
      el("h2", { id: "answer-heading" }, "No setting measured qualifies"),
      el("p", { class: "headline" }, detcost.headline(choice)),
      warning(choice),
      detcost.nearMisses(state, choice),
      detcost.eachScenario(state),
    ].filter((part) => part !== null);
  }

  /** @param {Choice} choice */
  function warning(choice) {
    const failures = choice.source.failedControls;
    if (!failures.length) return null;
    return el(
      "p",
      { class: "alarm" },
      `CONTROLS FAILED: ${failures.join("; ")}; trust nothing here`,
    );
  }

  /** @param {Candidate} first @param {Choice} choice */
  function price(first, choice) {
    const cost = /** @type {Figure} */ (first.cost);
    const several = choice.scenarios.length > 1;
    const isDefault = first.setting === "default";
    const verdict = isDefault
      ? el("span", {}, "by definition: costs are relative to it")
      : el("span", { class: `verdict ${detcost.verdict(cost)}` }, detcost.explained(cost));
    const interval = isDefault ? "" : detcost.costText(cost).replace(/^\S+ /, "");
    return el(
      "div",
      { class: "fact" },
      el("h3", {}, several ? "Cost, geometric mean" : "Cost"),
      el(
        "p",
        { class: "big" },
        `${detcost.fixed(cost.ratio, 2)}×`,
        el("small", {}, ` ${interval}`),
      ),
      el("p", {}, verdict),
      several && first.worst
        ? el(
            "p",
            {},
            "worst in a scenario: ",
            el("b", { class: "figure" }, detcost.costText(first.worst)),
          )
        : null,
    );
  }

  /** @param {Candidate} first @param {Choice} choice */
  function seen(first, choice) {
    const rows = choice.survive.map((scope) => {
      const all = first.findings.filter((finding) => finding.scope === scope);
      const compared = all.filter((finding) => finding.trials);
      const loosest = compared.sort((a, b) => (b.high ?? 1) - (a.high ?? 1))[0];
      const text = loosest
        ? `${loosest.divergent} of ${loosest.trials} diverged (rate at most ${detcost.percent(loosest.high)}, 95 %)`
        : "n/a";
      const which = compared.length > 1 ? `, the loosest of ${compared.length} scenarios` : "";
      return /** @type {[string, Child]} */ ([scope, text + which + stateful(compared)]);
    });
    return el("div", { class: "fact" }, el("h3", {}, "Seen"), detcost.definitions(rows));
  }

  /** Say what is to be known of some counts, and of several scenarios in how many. */
  /** @param {Finding[]} compared */
  function stateful(compared) {
    const notes = compared.flatMap(({ note }) => (note === null ? [] : [note]));
    if (!notes.length) return "";
    const share = compared.length > 1 ? ` in ${notes.length} of ${compared.length} scenarios` : "";
    return `; ${notes[0]}${share}`;
  }

  /** @param {Candidate} first @param {Choice} choice */
  function remarks(first, choice) {
    const tied = choice.candidates.filter((each) => each.tied && each !== first);
    const parts = [];
    if (tied.length) {
      const names = tied.map((each) => each.setting).join(", ");
      const why =
        "the noise does not tell their costs apart; of these the one with the fewest levers is the answer";
      parts.push(
        el(
          "p",
          { class: "ties" },
          el("b", {}, "Tied with it: "),
          el("span", {}, names),
          ` – ${why}.`,
        ),
      );
    }
    if (first.alsoSurvives.length) {
      parts.push(el("p", {}, `It survives ${first.alsoSurvives.join(", ")} as well.`));
    }
    return parts;
  }

  /** @param {Choice} choice */
  function snippets({ snippets: code }) {
    if (!code) {
      return el(
        "p",
        { class: "quiet" },
        "There is no code for it: this detcost does not know all of its levers.",
      );
    }
    const parts = [
      detcost.copyable("python", "Python: before the first op", code.python, "h4"),
      detcost.copyable("keras", "Keras", code.keras, "h4"),
    ];
    if (code.environment) {
      parts.push(detcost.copyable("environment", "In the environment", code.environment, "h4"));
    }
    if (code.line) {
      parts.push(detcost.copyable("line", "For each function or pipeline", code.line, "h4"));
    }
    return el("div", { class: "snippets" }, el("h3", {}, "How to get it"), ...parts);
  }

  /** @param {Choice} choice */
  function missing({ commands, best }) {
    if (!commands.length) return [];
    const count = commands.length > 1 ? `${commands.length} commands` : "this";
    const text = `Not all was measured; ${count} would`;
    const block = () => detcost.copyable("command", "To measure it", commands.join("\n"));
    const folded = detcost.folded(text, block, best === null || commands.length < 4);
    folded.classList.add("missing");
    return [folded];
  }

  /** @param {State} state @param {Choice} choice */
  function provenance({ view }, { source }) {
    const days = [...new Set([source.firstMeasured, source.lastMeasured].map(detcost.day))];
    const failed = source.failedControls.length;
    const facts = [
      `measured on ${source.machine} (${source.cpu ?? "unknown CPU"})`,
      `TensorFlow ${source.tensorflow || "unknown"}`,
      `${view.device}, ${view.size}, ${view.dtype}`,
      `profile ${source.profiles.join(" and ") || "unknown"}`,
      days.join(" to "),
      `default against itself: ${detcost.costText(source.noise)}, the noise floor`,
      failed ? "controls FAILED" : "no control failed",
      ...(source.cold ? [detcost.index.remarks.cold] : []),
    ];
    return el("ul", { class: "provenance" }, ...facts.map((fact) => el("li", {}, fact)));
  }
})();
