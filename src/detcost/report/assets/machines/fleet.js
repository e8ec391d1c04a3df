/** The same bits on all machines: one table for each device, which Python has written. */
(() => {
  const { el, need } = detcost;

  detcost.showFleet = () => {
    const { fleet } = detcost.index;
    need("fleet").hidden = !fleet.length;
    need("fleet-link").hidden = !fleet.length;
    need("fleet-body").replaceChildren(...fleet.flatMap(parts));
  };

  /** @param {Index["fleet"][number]} view */
  function parts({ device, header, rows, remarks }) {
    const cells = rows.map((row) => row.map((text) => detcost.breakable(text)));
    return [
      el("h3", {}, device),
      detcost.tableOf(`The same bits on all machines, ${device}`, header, cells),
      el("ul", { class: "remarks" }, ...remarks.map((text) => el("li", {}, text))),
    ];
  }
})();
