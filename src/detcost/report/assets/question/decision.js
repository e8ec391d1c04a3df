/**
 * From the decisions in the data to an answer. This code filters and sorts; Python decides.
 *
 * For each setting and scope the data has the lowest tolerable rate with which the setting
 * qualifies: 0 if the scope means nothing, null if it qualifies with none.
 */
(() => {
  /** Whether a setting qualifies. @param {number | null} lowest @param {number | null} maxRate */
  function meets(lowest, maxRate) {
    return lowest !== null && (maxRate === null || lowest <= maxRate);
  }

  /** @param {string} scope */
  function placeOf(scope) {
    return detcost.index.scopes.indexOf(scope);
  }

  detcost.choose = (question) => {
    const { view, survive, maxRate } = question;
    const subject = view.subjects[question.subject];
    const candidates = detcost.candidates(question);
    const best = candidates[0]?.qualifies ? candidates[0].setting : null;
    return {
      scenarios: subject.scenarios.map((row) => view.scenarios[row]),
      device: view.device,
      survive,
      maxRate,
      best,
      candidates,
      commands: detcost.commands(question, subject),
      elsewhere: detcost.elsewhere(question, subject),
      locate: best === null ? detcost.toLocate(question, subject) : [],
      snippets: best === null ? null : (detcost.own(view.snippets, best) ?? null),
      ...view.sources[subject.source],
    };
  };

  detcost.headline = (choice) => {
    const { scenarios, device, maxRate, best } = choice;
    const [first] = choice.candidates;
    const asked = choice.survive.join(", ");
    const rate = detcost.percent(maxRate);
    return detcost.say(best === null ? "none_qualifies" : "headline", {
      subject: scenarios.length === 1 ? scenarios[0] : detcost.say("several", scenarios.length),
      scopes: maxRate === null ? asked : detcost.say("at_rate", { scopes: asked, rate }),
      setting: first.setting,
      cost: first.cost?.text ?? "",
      device,
    });
  };

  /** The best first, then the others that qualify; within each, the cheapest first. */
  detcost.candidates = (question) => {
    const { view, survive, maxRate } = question;
    const subject = view.subjects[question.subject];
    const places = survive.map(placeOf);
    const candidates = subject.settings.map((column, place) => {
      const rates = view.rates[subject.rates[place]];
      const cost = subject.costs[place];
      const qualifies = cost !== null && places.every((scope) => meets(rates[scope], maxRate));
      return candidateOf(question, subject, { setting: view.settings[column], place, qualifies });
    });
    const order = [
      ...candidates.filter((each) => each.qualifies).sort(byRatio),
      ...candidates.filter((each) => !each.qualifies).sort(byRatio),
    ];
    const best = bestOf(view, subject, order);
    return best ? [best, ...order.filter((each) => each !== best)] : order;
  };

  /** Mark the settings tied with the cheapest one. The one with the fewest levers is the best. */
  /** @param {View} view @param {Subject} subject @param {Candidate[]} order */
  function bestOf(view, subject, order) {
    const [cheapest] = order;
    if (!cheapest?.qualifies) return null;
    const ties = subject.ties[cheapest.place];
    for (const each of order) each.tied = each.qualifies && ties[each.place] === "1";
    const levers = (/** @type {Candidate} */ { place }) => view.levers[subject.settings[place]];
    return order
      .filter((each) => each.tied)
      .reduce((best, each) => (levers(each) < levers(best) ? each : best));
  }

  /** @param {Candidate} one @param {Candidate} other */
  function byRatio(one, other) {
    const [a, b] = [one, other].map(({ cost }) => cost?.ratio ?? Number.POSITIVE_INFINITY);
    return a === b ? 0 : a - b; // the difference of two infinities is not a number
  }

  /** Findings and reasons are made when they are read, since most are not. */
  /** @param {Question} question @param {Subject} subject @param {{setting: string, place: number, qualifies: boolean}} own */
  function candidateOf(question, subject, own) {
    const { place } = own;
    const cost = subject.costs[place];
    const also = detcost.index.scopes.filter((scope) => !question.survive.includes(scope));
    /** @type {Finding[] | undefined} */
    let known;
    const findings = () => {
      known ??= [...findingsOf(question, subject, place)];
      return known;
    };
    return {
      ...own,
      tied: false,
      cost,
      worst: subject.worst.length ? subject.worst[place] : cost,
      get findings() {
        return findings();
      },
      get reasons() {
        const reasons = [...unusable(question, subject, place), ...standing(findings())];
        return reasons.length || cost ? reasons : [detcost.say("cost_unknown")];
      },
      get alsoSurvives() {
        const rates = question.view.rates[subject.rates[place]];
        return also.filter((scope) => survived(rates[placeOf(scope)], question.maxRate));
      },
    };
  }

  /** @param {Question} question @param {Subject} subject @param {number} place */
  function* unusable({ view }, subject, place) {
    for (const row of subject.scenarios) {
      const [, why] = view.unusable[row]?.[subject.settings[place]] ?? [];
      if (why) yield `${view.scenarios[row]}: ${why}`;
    }
  }

  /** The reasons against a setting: a divergence before a bound that is too high. */
  /** @param {Finding[]} findings */
  function standing(findings) {
    const against = findings.filter((finding) => finding.disqualifies);
    const order = against.sort((a, b) => Number(!a.divergent) - Number(!b.divergent));
    return order.map(({ scenario, scope, why }) => `${scenario}, ${scope}: ${why}`);
  }

  /** The finding of a setting in each scenario and scope. */
  /** @param {Question} question @param {Subject} subject @param {number} place */
  function* findingsOf({ view, survive, maxRate }, subject, place) {
    const column = subject.settings[place];
    for (const row of subject.scenarios) {
      if (view.unusable[row]?.[column]) continue;
      const set = view.sets[Number(view.checked[row][column])];
      for (const scope of survive) {
        yield finding(view, view.scenarios[row], scope, set[placeOf(scope)], maxRate);
      }
    }
  }

  /** @param {View} view @param {string} scenario @param {string} scope @param {number | null} rank @param {number | null} maxRate @returns {Finding} */
  function finding(view, scenario, scope, rank, maxRate) {
    const check = rank === null ? detcost.unchecked(scope) : view.checks[rank];
    const { lowest, divergent, trials, high, anyway, note } = check;
    const survives = meets(lowest, maxRate);
    const clean = lowest !== null && trials > 0;
    return {
      ...{ scenario, scope, check, rank: rank ?? -1, divergent, trials, high, anyway, note },
      survives: trials ? survives : null,
      applies: lowest !== 0,
      disqualifies: !survives,
      get why() {
        if (!clean) return check.why;
        return survives ? null : `${check.why}; ${advice(scope, Number(maxRate))}`;
      },
    };
  }

  /** The profile that bounds the rate of a clean count as asked. @param {string} scope @param {number} maxRate */
  function advice(scope, maxRate) {
    const profile = detcost.index.bounds[scope].find(([bound]) => bound <= maxRate);
    return profile?.[1] ?? detcost.say("no_profile", { rate: detcost.percent(maxRate) });
  }

  /** @param {number | null} lowest @param {number | null} maxRate */
  function survived(lowest, maxRate) {
    return lowest !== 0 && meets(lowest, maxRate);
  }

  /** Settings, each with another that survives as much and is clearly cheaper. */
  detcost.dominated = ({ view, subject: name, maxRate }, candidates) => {
    const subject = view.subjects[name];
    // A bound that is too high is still better than a divergence.
    const survivedBy = candidates.map(({ place }) =>
      [maxRate, null].flatMap((rate) =>
        view.rates[subject.rates[place]].map((lowest) => survived(lowest, rate)),
      ),
    );
    const asMuch = (/** @type {number} */ one, /** @type {number} */ other) =>
      survivedBy[other].every((survives, i) => !survives || survivedBy[one][i]);
    /** @type {Map<string, string>} */
    const dominated = new Map();
    for (const [i, each] of candidates.entries()) {
      const better = candidates.find(
        (other, j) =>
          (other.qualifies || !each.qualifies) &&
          subject.ties[other.place][each.place] === "0" &&
          asMuch(j, i),
      );
      if (better && !each.tied) dominated.set(each.setting, better.setting);
    }
    return dominated;
  };
})();
