/** Which operation is to blame, in the scenarios that the answer is about. */
(() => {
  const { el, need } = detcost;

  detcost.showLocated = (state) => {
    const found = detcost.index.located.filter((each) => belongs(each, state));
    need("located").hidden = !found.length;
    need("located-link").hidden = !found.length;
    const body = need("located-body");
    body.replaceChildren();
    if (!found.length) return;
    const several = found.length > 1;
    const more = detcost.sliced(found, body, (each) => article(each, several));
    body.append(more);
  };

  /** @param {Located} each @param {State} state */
  function belongs(each, { card, view, subject }) {
    const scenarios = view.subjects[subject].scenarios.map((row) => view.scenarios[row]);
    return (
      each.machine === card.name &&
      scenarios.includes(each.scenario) &&
      /** @type {const} */ (["tensorflow", "device", "size", "dtype"]).every(
        (name) => each[name] === view[name],
      )
    );
  }

  /** @param {Located} each @param {boolean} several */
  function article({ scenario, setting, scope, located_at, account }, several) {
    const title = `${scenario} under ${setting}, ${scope}`;
    const day = located_at && ` on ${detcost.day(located_at)}`;
    return el(
      "article",
      { class: "located" },
      several && el("h3", {}, title),
      el("p", { class: "headline" }, account.headline),
      ...account.culprits.flatMap((culprit) => about(culprit, account.culprits.length > 1)),
      facts(account.facts),
      account.next.length > 0 && list(account.next),
      el("p", { class: "hint" }, `detcost locate found it${day}.`),
    );
  }

  /** @param {Located["account"]["culprits"][number]} culprit @param {boolean} several @returns {Child[]} */
  function about(culprit, several) {
    const codes = culprit.remedies.filter(({ cures, code }) => cures && code);
    return [
      several && el("h4", {}, culprit.headline),
      facts(culprit.facts),
      culprit.path.length > 0 && path(culprit.path),
      culprit.remedies.length > 0 && remedies(culprit.remedies),
      culprit.remarks.length > 0 && list(culprit.remarks),
      ...codes.map(({ name, code }) =>
        detcost.folded(`Code to paste for ${name}`, () =>
          detcost.copyable(`remedy ${name}`, name, code, "h4"),
        ),
      ),
    ];
  }

  /** A description, each part in lines. @param {[string, string[]][]} rows */
  function facts(rows) {
    return detcost.definitions(
      rows.map(([name, texts]) => [
        name,
        el("div", {}, ...texts.map((text) => el("div", {}, text))),
      ]),
    );
  }

  /** The way of the difference, from its origin down to the outputs. @param {string[]} hops */
  function path(hops) {
    const steps = hops.map((hop, place) => {
      const end = place === 0 ? "origin" : place === hops.length - 1 ? "outputs" : null;
      return el("li", { class: end }, hop);
    });
    const heading = el("h4", {}, "How it spreads");
    return el("div", {}, heading, el("ol", { class: "path" }, ...steps));
  }

  /** @param {Remedy[]} rows */
  function remedies(rows) {
    const heads = ["remedy", "alone", "whole step", "cost [95 %]", "seen"];
    const cells = rows.map((row) => [
      el("span", { class: "setting" }, detcost.breakable(row.name)),
      ...[row.alone, row.whole, row.cost].map((text) => el("span", { class: "figure" }, text)),
      row.seen,
    ]);
    return el("div", {}, el("h4", {}, "Remedies"), detcost.tableOf("Remedies", heads, cells));
  }

  /** @param {string[]} lines */
  function list(lines) {
    return el("ul", {}, ...lines.map((line) => el("li", {}, line)));
  }
})();
