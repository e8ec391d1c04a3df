/** Commands to paste: one measures what is missing, one measures everything again. */
(() => {
  const USUAL_SEED = 42;

  /** Whether no machine can measure a scope alone. @param {string} scope */
  function derived(scope) {
    return detcost.own(detcost.index.elsewhere, scope) !== undefined;
  }

  /** A command for each scenario in which a setting or scope was not measured. */
  detcost.commands = (question, subject) => {
    const asked = question.survive.filter((scope) => !derived(scope));
    return lacking(question, subject, ({ scopes, measured }) =>
      measured ? asked.some((scope) => scopes.includes(scope)) : true,
    );
  };

  /** Commands for other machines or versions, by where to run them. */
  detcost.elsewhere = (question, subject) =>
    Object.fromEntries(
      question.survive.filter(derived).flatMap((scope) => {
        const commands = lacking(
          question,
          subject,
          ({ scopes, measured }) => measured && scopes.includes(scope),
        );
        return commands.length ? [[detcost.index.elsewhere[scope], commands]] : [];
      }),
    );

  /** A command for each scenario with settings of which something was not measured. */
  /** @param {Question} question @param {Subject} subject @param {(cell: {scopes: string[], measured: boolean}) => boolean} wanted */
  function lacking({ view, survive }, subject, wanted) {
    const compared = survive.some(derived) ? detcost.index.usual_scopes : [];
    return subject.scenarios.flatMap((row) => {
      const [known, missing] = view.missing[row] ?? [[], {}];
      const settings = subject.settings.filter((column) => {
        const scopes = missing[column];
        return scopes && wanted({ scopes, measured: view.checked[row][column] !== null });
      });
      const scopes = [...known, ...compared, ...survive];
      return settings.length ? [measure(view, [row], settings, scopes)] : [];
    });
  }

  function measurable() {
    return detcost.index.scopes.filter((scope) => !derived(scope));
  }

  /** @param {View} view @param {number[]} rows @param {number[]} columns @param {string[]} scopes @param {string[]} options */
  function measure(view, rows, columns, scopes, options = []) {
    /** @type {Record<string, string[]>} */
    const values = {
      "{scenarios}": rows.map((row) => view.scenarios[row]),
      "{settings}": [columns.map((column) => view.settings[column]).join(",")],
      "{scopes}": [
        measurable()
          .filter((scope) => scopes.includes(scope))
          .join(","),
      ],
      "{options}": options,
    };
    return detcost.shell(view.command.flatMap((word) => detcost.own(values, word) ?? [word]));
  }

  /** A command for each scenario that differed under every setting, as choosing/to_locate.py. */
  detcost.toLocate = ({ view, survive }, subject) =>
    subject.scenarios.flatMap((row) => {
      const places = subject.settings.filter((column) => !view.unusable[row]?.[column]);
      const scopes = places.map((column) => firstScope(view, row, column, survive));
      const name = view.scenarios[row];
      if (!scopes[0] || scopes.includes(undefined) || name.startsWith("-")) return [];
      const cell = /** @type {Cell} */ (view.cells[row][places[0]]);
      const setting = cell.stands_for ?? view.settings[places[0]];
      return [locate(name, scopes[0], { ...view, setting, seed: cell.seed })];
    });

  /** The first scope in which a cell differed against what its scenario expects. */
  /** @param {View} view @param {number} row @param {number} column @param {string[]} survive */
  function firstScope(view, row, column, survive) {
    const checks = detcost.checksOf(view, row, column);
    const { usual_scopes } = detcost.index;
    return measurable().find((scope, place) => {
      const check = checks[place];
      const asked = survive.includes(scope) || usual_scopes.includes(scope);
      return asked && check && check.divergent > 0 && check.lowest === null;
    });
  }

  /** @param {string} scenario @param {string} scope @param {Record<"setting" | "device" | "size" | "dtype", string> & {seed: number}} where */
  function locate(scenario, scope, where) {
    const words = ["detcost", "locate", scenario, "--scope", scope];
    const usual = { setting: "default", ...detcost.index.usual, seed: USUAL_SEED };
    for (const option of /** @type {(keyof typeof usual)[]} */ (Object.keys(usual))) {
      if (where[option] !== usual[option]) words.push(`--${option}`, String(where[option]));
    }
    return detcost.shell(words);
  }

  detcost.reproduce = ({ view, subject }) => {
    const { scenarios, settings } = view.subjects[subject];
    const places = scenarios.flatMap((row) => settings.map((column) => [row, column]));
    const cells = places.flatMap(([row, column]) => view.cells[row][column] ?? []);
    const scopes = measurable().filter((_, scope) =>
      places.some(([row, column]) => detcost.checksOf(view, row, column)[scope]),
    );
    const profiles = [...new Set(cells.map((cell) => cell.profile).filter(Boolean))];
    const seeds = [...new Set(cells.map((cell) => cell.seed))];
    const options = [];
    if (profiles.length === 1) options.push("--profile", String(profiles[0]));
    if (seeds.length === 1 && seeds[0] !== USUAL_SEED) options.push("--seed", String(seeds[0]));
    return measure(view, scenarios, settings, scopes, options);
  };
})();
