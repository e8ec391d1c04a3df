/** Which machines, with which TensorFlow, gave the same bits. */
(() => {
  const { el } = detcost;
  const FEW = 4;

  /** @typedef {{name: string, place: number, seed: number, digest: string, races: boolean}} Witness */

  detcost.agreement = (seen) => {
    const settings = bySetting(seen);
    const most = Math.max(0, ...[...settings.values()].map((witnesses) => witnesses.length));
    if (most < 2) {
      return [
        el(
          "p",
          { class: "quiet" },
          "One machine and one version so far: there is nothing to agree with.",
        ),
      ];
    }
    const about =
      "Same digest, same bits. What raced – differed in a process’s repeats or between processes – is in no group. Inputs are drawn from a run’s seed, so only runs of one seed can agree.";
    const rows = [...settings].map(([setting, witnesses]) => rowOf(setting, witnesses));
    const heads = ["setting", "groups", "gave the same bits", "raced"];
    return [el("p", {}, about), detcost.tableOf("Digest agreement", heads, rows)];
  };

  /** The newest word of every machine, version and seed, by setting. @param {Map<number, Observations[]>} seen */
  function bySetting(seen) {
    /** @type {Map<string, Map<string, Witness>>} */
    const found = new Map();
    for (const [place, runs] of seen) {
      for (const run of runs) {
        for (const [setting, observation] of run.settings) {
          if (observation.status !== "ok" || !observation.digest) continue;
          const witnesses = found.get(setting) ?? new Map();
          const name = `${detcost.index.machines[place].name}, TensorFlow ${run.tensorflow}`;
          witnesses.set(`${place} ${run.tensorflow} ${run.seed}`, {
            name,
            place,
            seed: run.seed,
            digest: observation.digest,
            races: run.races.includes(setting),
          });
          found.set(setting, witnesses);
        }
      }
    }
    return new Map([...found].map(([setting, witnesses]) => [setting, [...witnesses.values()]]));
  }

  /** @param {string} setting @param {Witness[]} witnesses @returns {Child[]} */
  function rowOf(setting, witnesses) {
    const raced = witnesses.filter((each) => each.races);
    /** @type {Map<string, Witness[]>} */
    const groups = new Map();
    for (const each of witnesses) {
      if (each.races) continue;
      const key = `${each.seed} ${each.digest}`;
      const group = groups.get(key);
      if (group) group.push(each);
      else groups.set(key, [each]);
    }
    const ordered = [...groups.values()].sort((one, other) => other.length - one.length);
    const count = `${ordered.length} of ${witnesses.length - raced.length}`;
    return [
      detcost.breakable(setting),
      count,
      listOf(ordered),
      raced.length ? names(raced) : "none",
    ];
  }

  /** @param {Witness[][]} groups */
  function listOf(groups) {
    const list = el("ul", { class: "groups" });
    const more = detcost.sliced(groups, list, (group) =>
      el("li", {}, el("code", {}, group[0].digest.slice(0, 8)), " ", names(group)),
    );
    return el("div", {}, list, more);
  }

  /** @param {Witness[]} group */
  function names(group) {
    if (group.length <= FEW) return el("span", {}, group.map((each) => each.name).join("; "));
    return detcost.folded(`${group.length} machines and versions`, () => {
      const list = el("ul");
      const more = detcost.sliced(group, list, (each) => el("li", {}, each.name));
      return el("div", {}, list, more);
    });
  }
})();
