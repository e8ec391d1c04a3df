/** Commands to paste: what would measure what is missing, and what would measure it all again. */
(() => {
  const OUT = "results/more.trials.jsonl";

  /** A command for each scenario of which some setting or scope was not measured. */
  detcost.commands = (question, subject) => {
    const { view, survive } = question;
    /** @type {string[]} */
    const commands = [];
    for (const row of subject.scenarios) {
      const cells = subject.settings.map((column) => view.cells[row][column]);
      const lacking = subject.settings.filter((_, place) => lacks(cells[place], survive));
      // No program has a name like that, and a shell would take it for an option.
      if (lacking.length && !view.scenarios[row].startsWith("-")) {
        const settings = lacking.map((column) => view.settings[column]);
        const words = measure(view, [view.scenarios[row]], settings, scopesOf(cells, survive));
        commands.push(detcost.shell([...words, "--out", question.out ?? OUT]));
      }
    }
    return commands;
  };

  /** @param {Cell | null} cell @param {string[]} survive */
  function lacks(cell, survive) {
    if (!cell) return true;
    return cell.status === "ok" && survive.some((scope) => !cell.scopes.has(scope));
  }

  /** @param {(Cell | null)[]} cells @param {string[]} also */
  function scopesOf(cells, also) {
    return detcost.index.scopes.filter(
      (scope) => also.includes(scope) || cells.some((cell) => cell?.scopes.has(scope)),
    );
  }

  /** @param {View} view @param {string[]} scenarios @param {string[]} settings @param {string[]} scopes */
  function measure(view, scenarios, settings, scopes) {
    const words = ["detcost", "measure", ...scenarios, "--settings", settings.join(",")];
    words.push("--devices", view.device, "--scopes", scopes.join(","));
    for (const option of /** @type {const} */ (["size", "dtype"])) {
      if (view[option] !== detcost.index.usual[option]) words.push(`--${option}`, view[option]);
    }
    return words;
  }

  detcost.reproduce = ({ view, subject }) => {
    const { scenarios, settings } = view.subjects[subject];
    const cells = scenarios.flatMap((row) => settings.map((column) => view.cells[row][column]));
    const names = scenarios.map((row) => view.scenarios[row]);
    const words = measure(
      view,
      names,
      settings.map((place) => view.settings[place]),
      scopesOf(cells, []),
    );
    const profiles = [...new Set(cells.map((cell) => cell?.profile).filter(Boolean))];
    const seeds = [...new Set(cells.filter((cell) => cell !== null).map((cell) => cell.seed))];
    if (profiles.length === 1) words.push("--profile", String(profiles[0]));
    if (seeds.length === 1 && seeds[0] !== 42) words.push("--seed", String(seeds[0]));
    return detcost.shell([...words, "--out", OUT]);
  };
})();
