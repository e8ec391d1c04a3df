/** What people are told, and what this machine's runs say of it. */
(() => {
  const { el, need } = detcost;
  /** In the words of detcost.claims.verdicts; what cannot be tested has no mark of its own. */
  const MARKS = new Map([
    ["holds", "✓"],
    ["does not hold", "✗"],
    ["depends on", "◐"],
  ]);

  detcost.showFolklore = ({ card }) => {
    const found = detcost.index.folklore.find((each) => each.machine === card.name);
    need("folklore").hidden = !found;
    need("folklore-link").hidden = !found;
    if (!found) return need("folklore-body").replaceChildren();
    const rows = found.verdicts.map((verdict) => [
      verdict.says,
      el("strong", { class: "figure" }, `${MARKS.get(verdict.word) ?? "–"} ${verdict.word}`),
      detcost.folded(detcost.plural(all(verdict).length, "thing"), () => seen(verdict)),
    ]);
    const heads = ["people say", "verdict", "what was looked at"];
    need("folklore-body").replaceChildren(
      el("p", { class: "hint" }, found.source),
      detcost.tableOf("Claims and their verdicts", heads, rows),
    );
  };

  /** @param {Claimed} verdict */
  function all({ seen_for, seen_against, not_seen }) {
    return [...seen_for, ...seen_against, ...not_seen];
  }

  /** @param {Claimed} verdict */
  function seen({ seen_for, seen_against, not_seen, sources }) {
    const list = (/** @type {string} */ title, /** @type {string[]} */ words) =>
      words.length > 0 &&
      el(
        "div",
        {},
        el("strong", {}, title),
        el("ul", {}, ...words.map((word) => el("li", {}, word))),
      );
    return el(
      "div",
      {},
      list("for it", seen_for),
      list("against it", seen_against),
      list("not seen", not_seen),
      list("said in", sources),
    );
  }
})();
