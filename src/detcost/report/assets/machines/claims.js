/** Common claims, and the verdicts on them from the runs of this machine. */
(() => {
  const { el, need } = detcost;
  /** The verdicts of detcost.claims.verdicts. One that cannot be tested has no mark. */
  const MARKS = new Map([
    ["holds", "✓"],
    ["does not hold", "✗"],
    ["depends on", "◐"],
  ]);

  detcost.showClaims = ({ card }) => {
    const folklore = detcost.index.folklore.find((each) => each.machine === card.name);
    need("folklore").hidden = !folklore;
    need("folklore-link").hidden = !folklore;
    if (!folklore) return need("folklore-body").replaceChildren();
    const rows = folklore.verdicts.map((verdict) => [
      verdict.says,
      el("strong", { class: "figure" }, `${MARKS.get(verdict.word) ?? "–"} ${verdict.word}`),
      detcost.folded(detcost.plural(all(verdict).length, "observation"), () => seen(verdict)),
    ]);
    const heads = ["claim", "verdict", "evidence"];
    need("folklore-body").replaceChildren(
      el("p", { class: "hint" }, folklore.source),
      detcost.tableOf("Claims and their verdicts", heads, rows),
    );
  };

  /** @param {Claimed} verdict */
  function all({ seen_for, seen_against, not_seen }) {
    return [...seen_for, ...seen_against, ...not_seen];
  }

  /** @param {Claimed} verdict */
  function seen({ seen_for, seen_against, not_seen, sources }) {
    const list = (/** @type {string} */ title, /** @type {string[]} */ lines) =>
      lines.length > 0 &&
      el(
        "div",
        {},
        el("strong", {}, title),
        el("ul", {}, ...lines.map((line) => el("li", {}, line))),
      );
    return el(
      "div",
      {},
      list("for it", seen_for),
      list("against it", seen_against),
      list("not seen", not_seen),
      list("sources", sources),
    );
  }
})();
