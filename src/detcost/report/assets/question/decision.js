/**
 * From evidence to a decision, by the rules of detcost.choosing.decision and in its words.
 *
 * Nothing here touches the page. Intervals and ties were worked out when the report was made.
 */
(() => {
  /** Scopes in which a cell is compared with itself as it is: what differs there differs anyway. */
  const OWN_SCOPES = ["repeat", "process"];

  detcost.choose = (question) => {
    const { view, survive, maxRate } = question;
    const subject = view.subjects[question.subject];
    const candidates = ranked(subject, subject.settings.map(candidateOf(question, subject)));
    const best = candidates[0]?.qualifies ? candidates[0].setting : null;
    return {
      scenarios: subject.scenarios.map((row) => view.scenarios[row]),
      device: view.device,
      survive,
      maxRate,
      best,
      candidates,
      commands: detcost.commands(question, subject),
      snippets: best === null ? null : (detcost.own(view.snippets, best) ?? null),
      source: sourceOf(question, subject),
    };
  };

  /** The best alone, without a word on the others. */
  detcost.best = (question) => {
    const { view, survive, maxRate } = question;
    const subject = view.subjects[question.subject];
    const qualifies = (/** @type {number} */ column) =>
      subject.scenarios.every((row) => {
        const cell = view.cells[row][column];
        if (cell?.status !== "ok") return false;
        return survive.every((scope) => stays(cell.scopes.get(scope), maxRate) !== false);
      });
    const candidates = subject.settings.map((column, place) => ({
      ...{ setting: view.settings[column], place, tied: false, cost: subject.costs[place] },
      qualifies: subject.costs[place] !== null && qualifies(column),
    }));
    const [best] = ranked(subject, candidates);
    return best?.qualifies ? best : null;
  };

  detcost.headline = (choice) => {
    const names = choice.scenarios;
    const what = names.length === 1 ? names[0] : `${names.length} scenarios`;
    let scopes = choice.survive.join(", ");
    if (choice.maxRate !== null)
      scopes += ` at a rate of at most ${detcost.percent(choice.maxRate)}`;
    const asked = `${what} on ${choice.device}`;
    if (choice.best === null) return `${asked}: no setting measured survives ${scopes}`;
    const cost = detcost.costText(choice.candidates[0].cost);
    return `${asked}: ${choice.best} survives ${scopes} at ${cost} times the time of default`;
  };

  /** @param {Question} question @param {Subject} subject */
  function candidateOf(question, subject) {
    /** @param {number} column @param {number} place @returns {Candidate} */
    return (column, place) => {
      const { findings, against, reasons } = judge(question, subject, place);
      const cost = subject.costs[place];
      const others = detcost.index.scopes.filter((scope) => !question.survive.includes(scope));
      return {
        setting: question.view.settings[column],
        place,
        qualifies: !against && cost !== null,
        tied: false,
        cost,
        worst: subject.worst[place],
        findings,
        against: against || Number(cost === null),
        // Written only when they are read: of a thousand few are.
        get reasons() {
          return against || cost ? reasons() : ["its cost is not known"];
        },
        alsoSurvives: detcost.survived(question, subject, place, others),
      };
    };
  }

  /** What was seen in every scenario and scope; what stands against the setting, and how much. */
  /** @param {Question} question @param {Subject} subject @param {number} place */
  function judge({ view, survive, maxRate }, subject, place) {
    /** @type {Finding[]} */
    const findings = [];
    /** @type {string[]} */
    const failed = [];
    for (const row of subject.scenarios) {
      const scenario = view.scenarios[row];
      const cell = view.cells[row][subject.settings[place]];
      if (!cell) failed.push(`${scenario}: not measured`);
      else if (cell.status !== "ok") {
        failed.push(`${scenario}: ${detcost.words(cell.status)} (${cell.reason ?? "None"})`);
      } else
        for (const scope of survive) findings.push(detcost.find(cell, scenario, scope, maxRate));
    }
    const standing = findings.filter((finding) => finding.standsAgainst);
    const reasons = () => {
      // What was seen to diverge tells more than a bound that is not low enough.
      const seen = standing.filter((finding) => finding.divergent);
      const inOrder = [...seen, ...standing.filter((finding) => !finding.divergent)];
      const said = inOrder.map(({ scenario, scope, why }) => `${scenario}, ${scope}: ${why}`);
      return [...failed, ...said];
    };
    return { findings, against: failed.length + standing.length, reasons };
  }

  /** Whether bits stay in a scope; null where it means nothing to the cell. */
  /** @param {Count | undefined} count @param {number | null} maxRate */
  function stays(count, maxRate) {
    if (!count?.trials) return count?.reason ? null : false;
    const { divergent, high } = count;
    return !divergent && (maxRate === null || (high !== null && high <= maxRate));
  }

  /** @param {Cell} cell */
  function racesIn(cell) {
    return OWN_SCOPES.find((scope) => cell.scopes.get(scope)?.divergent);
  }

  detcost.differsAnyway = (cell, scope) =>
    Boolean(cell.scopes.get(scope)?.divergent) &&
    !OWN_SCOPES.includes(scope) &&
    racesIn(cell) !== undefined;

  /** What is to be known of a count: that the cell carries state, and that its calls agreed. */
  detcost.note = (cell, scope) => {
    const count = cell.scopes.get(scope);
    const agreed = scope === "repeat" && count?.trials && !count.divergent;
    return agreed && cell.carries_state ? detcost.index.remarks.carries_state : null;
  };

  detcost.find = (cell, scenario, scope, maxRate) => {
    const count = cell.scopes.get(scope);
    const nothing = { divergent: 0, trials: 0, high: null, anyway: false, note: null };
    const finding = { scenario, scope, ...nothing };
    if (!count || (!count.trials && !count.reason)) {
      const skipped = count?.skipped ?? [];
      const tried = skipped.length ? ` (${skipped.join(", ")} could not be tried)` : "";
      const why = `not measured${tried}`;
      return { ...finding, survives: null, applies: true, standsAgainst: true, why };
    }
    const { divergent, trials, high } = count;
    if (!trials) {
      const why = count.reason;
      return { ...finding, survives: null, applies: false, standsAgainst: false, why };
    }
    const survives = stays(count, maxRate);
    return {
      scenario,
      scope,
      survives,
      applies: true,
      standsAgainst: !survives,
      divergent,
      trials,
      high,
      anyway: detcost.differsAnyway(cell, scope),
      note: detcost.note(cell, scope),
      get why() {
        return survives ? null : against(cell, scope, count, maxRate);
      },
    };
  };

  /** @param {Cell} cell @param {string} scope @param {Count} count @param {number | null} maxRate */
  function against(cell, scope, { divergent, trials, high, first_call: call }, maxRate) {
    if (detcost.differsAnyway(cell, scope)) return `differs in ${racesIn(cell)} already`;
    if (divergent || maxRate === null) {
      const where = call === null ? "" : `; first differs at call ${call}`;
      return `${divergent} of ${trials} differed${where}`;
    }
    const said = `0 of ${trials} differed, which bounds the rate at ${detcost.percent(high)}`;
    return `${said}; ${tighter(scope, maxRate)}`;
  }

  /** Say which profile bounds a clean cell's rate as asked. @param {string} scope @param {number} maxRate */
  function tighter(scope, maxRate) {
    for (const [profile, bound] of detcost.index.bounds[scope]) {
      if (bound <= maxRate) {
        return `--profile ${profile} would bound it at ${detcost.percent(bound)}`;
      }
    }
    return `no profile bounds it at ${detcost.percent(maxRate)}`;
  }

  detcost.survived = ({ view, maxRate }, subject, place, scopes) => {
    const cells = subject.scenarios.map((row) => view.cells[row][subject.settings[place]]);
    if (!cells.every((cell) => cell?.status === "ok")) return [];
    return scopes.filter((scope) => {
      let some = false;
      for (const cell of cells) {
        const found = stays(cell?.scopes.get(scope), maxRate);
        if (found === false) return false;
        some ||= found === true;
      }
      return some;
    });
  };

  /** @param {Ranked} candidate */
  function ratio(candidate) {
    return candidate.cost ? candidate.cost.ratio : Number.POSITIVE_INFINITY;
  }

  /** @param {Ranked} one @param {Ranked} other */
  function byRatio(one, other) {
    const [a, b] = [ratio(one), ratio(other)];
    return a === b ? 0 : a - b; // of two infinities the difference would be no number
  }

  /** @param {string} setting */
  function levers(setting) {
    return setting === "default" ? 0 : setting.split("+").length;
  }

  /** The best first, then the others that qualify; within each, the cheapest first. */
  /** @template {Ranked} T @param {Subject} subject @param {T[]} candidates @returns {T[]} */
  function ranked(subject, candidates) {
    const [cheapest] = candidates.filter((candidate) => candidate.qualifies).sort(byRatio);
    if (cheapest) {
      const ties = subject.ties[cheapest.place];
      for (const each of candidates) each.tied = each.qualifies && ties[each.place] === "1";
    }
    const order = candidates.sort(
      (one, other) => Number(other.qualifies) - Number(one.qualifies) || byRatio(one, other),
    );
    const [best] = order
      .filter((candidate) => candidate.tied)
      .sort((one, other) => levers(one.setting) - levers(other.setting) || byRatio(one, other));
    return best ? [best, ...order.filter((candidate) => candidate !== best)] : order;
  }

  /** What an answer rests on. @param {Question} question @param {Subject} subject @returns {Source} */
  function sourceOf({ machineData, view }, subject) {
    const cells = subject.scenarios
      .flatMap((row) => subject.settings.map((column) => view.cells[row][column]))
      .filter((cell) => cell !== null);
    const days = cells.map((cell) => cell.measured_at).sort();
    const runs = [...new Set(cells.map((cell) => cell.run))].sort();
    const failed = runs.flatMap((run) => detcost.own(machineData.runs, run)?.failed_controls ?? []);
    const profiles = cells.map((cell) => cell.profile).filter((profile) => profile !== null);
    return {
      machine: machineData.description.name,
      cpu: detcost.own(machineData.description, "cpu") ?? null,
      tensorflow: view.tensorflow,
      firstMeasured: days[0],
      lastMeasured: days[days.length - 1],
      runs,
      profiles: [...new Set(profiles)].sort(),
      noise: widest(cells),
      failedControls: [...new Set(failed)],
      cold: runs.some((run) => detcost.own(machineData.runs, run)?.cold),
    };
  }

  /** The widest interval that default against itself came out with. @param {Cell[]} cells */
  function widest(cells) {
    /** @type {Figure | null} */
    let found = null;
    const width = (/** @type {Figure} */ figure) => (figure.high || 1) / (figure.low || 1);
    for (const { same_setting: same } of cells) {
      if (same?.low && (!found || width(same) > width(found))) found = same;
    }
    return found;
  }
})();
