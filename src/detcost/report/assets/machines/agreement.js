/** Groups of machines and TensorFlow versions that gave the same bits. */
(() => {
  const { el } = detcost;
  const FEW = 4;

  /** @typedef {{name: string, place: number, seed: number, digest: string, races: boolean}} Source */

  detcost.agreement = (seen) => {
    const settings = bySetting(seen);
    const most = Math.max(0, ...[...settings.values()].map((sources) => sources.length));
    if (most < 2) {
      return [
        el("p", { class: "quiet" }, "One machine and one version so far. Agreement needs two."),
      ];
    }
    const about =
      "The same digest means the same bits. A setting that races, so that its bits differ in repeat or process, is in no group. Only runs with the same seed can agree, because the seed gives the inputs.";
    const rows = [...settings].map(([setting, sources]) => rowOf(setting, sources));
    const heads = ["setting", "groups", "gave the same bits", "races"];
    return [el("p", {}, about), detcost.tableOf("Digest agreement", heads, rows)];
  };

  /** The newest observation of each machine, version and seed, by setting. @param {Map<number, Observations[]>} seen */
  function bySetting(seen) {
    /** @type {Map<string, Map<string, Source>>} */
    const settings = new Map();
    for (const [place, runs] of seen) {
      for (const run of runs) {
        for (const [setting, observation] of run.settings) {
          if (observation.status !== "ok" || !observation.digest) continue;
          const sources = settings.get(setting) ?? new Map();
          const name = `${detcost.index.machines[place].name}, TensorFlow ${run.tensorflow}`;
          sources.set(`${place} ${run.tensorflow} ${run.seed}`, {
            name,
            place,
            seed: run.seed,
            digest: observation.digest,
            races: run.races.includes(setting),
          });
          settings.set(setting, sources);
        }
      }
    }
    return new Map([...settings].map(([setting, sources]) => [setting, [...sources.values()]]));
  }

  /** @param {string} setting @param {Source[]} sources @returns {Child[]} */
  function rowOf(setting, sources) {
    const raced = sources.filter((each) => each.races);
    /** @type {Map<string, Source[]>} */
    const groups = new Map();
    for (const each of sources) {
      if (each.races) continue;
      const key = `${each.seed} ${each.digest}`;
      const group = groups.get(key);
      if (group) group.push(each);
      else groups.set(key, [each]);
    }
    const ordered = [...groups.values()].sort((one, other) => other.length - one.length);
    const count = `${ordered.length} of ${sources.length - raced.length}`;
    return [
      detcost.breakable(setting),
      count,
      listOf(ordered),
      raced.length ? names(raced) : "none",
    ];
  }

  /** @param {Source[][]} groups */
  function listOf(groups) {
    const list = el("ul", { class: "groups" });
    const more = detcost.sliced(groups, list, (group) =>
      el("li", {}, el("code", {}, group[0].digest.slice(0, 8)), " ", names(group)),
    );
    return el("div", {}, list, more);
  }

  /** @param {Source[]} group */
  function names(group) {
    if (group.length <= FEW) return el("span", {}, group.map((each) => each.name).join("; "));
    return detcost.folded(`${group.length} machines and versions`, () => {
      const list = el("ul");
      const more = detcost.sliced(group, list, (each) => el("li", {}, each.name));
      return el("div", {}, list, more);
    });
  }
})();
