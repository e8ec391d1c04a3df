/** Commands to paste: one measures what is missing, one measures everything again. */
(() => {
  const USUAL_SEED = 42;

  /** A command for each scenario in which a setting or scope was not measured. */
  detcost.commands = ({ view, survive }, subject) =>
    subject.scenarios.flatMap((row) => {
      const [known, lacking] = view.missing[row] ?? [[], {}];
      const settings = subject.settings.filter((column) =>
        lacking[column]?.some((scope) => survive.includes(scope)),
      );
      return settings.length ? [measure(view, [row], settings, [...known, ...survive])] : [];
    });

  /** @param {View} view @param {number[]} rows @param {number[]} columns @param {string[]} scopes @param {string[]} options */
  function measure(view, rows, columns, scopes, options = []) {
    /** @type {Record<string, string[]>} */
    const values = {
      "{scenarios}": rows.map((row) => view.scenarios[row]),
      "{settings}": [columns.map((column) => view.settings[column]).join(",")],
      "{scopes}": [detcost.index.scopes.filter((scope) => scopes.includes(scope)).join(",")],
      "{options}": options,
    };
    return detcost.shell(view.command.flatMap((word) => detcost.own(values, word) ?? [word]));
  }

  detcost.reproduce = ({ view, subject }) => {
    const { scenarios, settings } = view.subjects[subject];
    const places = scenarios.flatMap((row) => settings.map((column) => [row, column]));
    const cells = places.flatMap(([row, column]) => view.cells[row][column] ?? []);
    const scopes = detcost.index.scopes.filter((_, scope) =>
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
