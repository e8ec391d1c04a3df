/** The answer: the setting, its cost, the counts, and the code to paste. */
(() => {
  const { el, need } = detcost;

  detcost.showAnswer = (state, choice) => {
    const section = need("answer");
    section.dataset.best = choice.best ?? "";
    section.removeAttribute("aria-busy");
    const parts =
      choice.best === null ? unanswered(state, choice) : answered(choice.best, state, choice);
    section.replaceChildren(...parts, ...missing(choice), provenance(choice));
  };

  detcost.showBanner = (choice) => {
    const banner = need("banner");
    banner.hidden = choice.alarm === null;
    if (banner.textContent !== (choice.alarm ?? "")) banner.textContent = choice.alarm;
  };

  /** @param {string} best @param {State} state @param {Choice} choice @returns {Node[]} */
  function answered(best, state, choice) {
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
  function unanswered(state, choice) {
    return [
      el("p", { class: "eyebrow" }, "No answer"),
      el("h2", { id: "answer-heading" }, "No setting measured qualifies"),
      el("p", { class: "headline" }, detcost.headline(choice)),
      warning(choice),
      operation(choice),
      detcost.nearMisses(state, choice),
      detcost.eachScenario(state),
    ].filter((part) => part !== null);
  }

  /** @param {Choice} choice */
  function warning({ alarm }) {
    return alarm === null ? null : el("p", { class: "alarm" }, alarm);
  }

  /** @param {Candidate} first @param {Choice} choice */
  function price(first, choice) {
    const cost = /** @type {SubjectCost} */ (first.cost);
    const several = choice.scenarios.length > 1;
    const isDefault = first.setting === "default";
    const verdict = isDefault
      ? el("span", {}, detcost.say("by_definition"))
      : el("span", { class: `verdict ${cost.verdict}` }, cost.explained);
    const [ratio, ...interval] = cost.text.split(" ");
    const ends = el("small", {}, isDefault ? "" : ` ${interval.join(" ")}`);
    const worst = several && first.worst && el("b", { class: "figure" }, first.worst.text);
    return el(
      "div",
      { class: "fact" },
      el("h3", {}, several ? "Cost, geometric mean" : "Cost"),
      el("p", { class: "big" }, `${ratio}×`, ends),
      el("p", {}, verdict),
      worst && el("p", {}, "worst in a scenario: ", worst),
    );
  }

  /** @param {Candidate} first @param {Choice} choice */
  function seen(first, choice) {
    const rows = choice.survive.map((scope) => {
      const own = first.findings.filter((finding) => finding.scope === scope);
      const compared = own.filter((finding) => finding.trials);
      const loosest = own.reduce((a, b) => (b.rank > a.rank ? b : a));
      const count = compared.length;
      const which = count > 1 ? detcost.say("loosest", count) : "";
      const text = loosest.check.seen + which + stateful(compared);
      return /** @type {[string, Child]} */ ([scope, text]);
    });
    return el("div", { class: "fact" }, el("h3", {}, "Seen"), detcost.definitions(rows));
  }

  /** The note on counts, and in how many scenarios it holds. */
  /** @param {Finding[]} compared */
  function stateful(compared) {
    const notes = compared.flatMap(({ note }) => note ?? []);
    if (!notes.length) return "";
    const [count, total] = [notes.length, compared.length];
    return `; ${notes[0]}${total > 1 ? detcost.say("share", { count, total }) : ""}`;
  }

  /** @param {Candidate} first @param {Choice} choice */
  function remarks(first, choice) {
    const tied = choice.candidates.filter((each) => each.tied && each !== first);
    const names = tied.map((each) => each.setting).join(", ");
    const scopes = first.alsoSurvives.join(", ");
    const label = el("b", {}, "Tied with it: ");
    return [
      tied.length
        ? el("p", { class: "ties" }, label, el("span", {}, names), detcost.say("ties"))
        : null,
      scopes ? el("p", {}, detcost.say("also_survives", { scopes })) : null,
    ];
  }

  /** @param {Choice} choice */
  function snippets({ snippets: code }) {
    if (!code) {
      return el("p", { class: "quiet" }, detcost.say("no_code"));
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
    return el("div", { class: "snippets" }, el("h3", {}, "Code to paste"), ...parts);
  }

  /** @param {Choice} choice */
  function operation({ locate }) {
    if (!locate.length) return null;
    return detcost.copyable("locate", "To find the operation that differs", locate.join("\n"));
  }

  /** @param {Choice} choice */
  function missing({ commands, elsewhere, best }) {
    const here = commands.length ? /** @type {[string, string[]][]} */ ([["", commands]]) : [];
    return [...here, ...Object.entries(elsewhere)].map(([where, own]) => {
      const count = own.length > 1 ? `${own.length} commands` : "this";
      const place = where ? ` ${where}` : "";
      const text = `Not everything was measured. To measure the rest, run ${count}${place}`;
      const block = () => detcost.copyable("command", "To measure it", own.join("\n"));
      const folded = detcost.folded(text, block, best === null || own.length < 4);
      folded.classList.add("missing");
      return folded;
    });
  }

  /** @param {Choice} choice */
  function provenance({ remarks }) {
    return el("ul", { class: "provenance" }, ...remarks.map((remark) => el("li", {}, remark)));
  }
})();
