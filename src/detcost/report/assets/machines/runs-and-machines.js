/** Runs and machines: the data of one scenario at a time, loaded when scrolled to. */
(() => {
  const { el, need } = detcost;
  const whenNear = detcost.whenNear("across");
  let shown = "";

  detcost.showRunsAndMachines = (state) => {
    fillScenarios(state);
    whenNear(() => show(state));
  };

  /** The choice of a scenario, if the question is about several. @param {State} state */
  function fillScenarios(state) {
    const { view, subject } = state;
    const names = view.subjects[subject].scenarios.map((row) => view.scenarios[row]);
    const select = /** @type {HTMLSelectElement} */ (need("across-scenario"));
    const before = select.value;
    select.replaceChildren(...names.map((value) => el("option", { value }, value)));
    if (names.includes(before)) select.value = before;
    /** @type {HTMLElement} */ (select.parentElement).hidden = names.length < 2;
    select.onchange = () => show(state);
  }

  /** @param {State} state */
  async function show(state) {
    const { value: scenario } = /** @type {HTMLSelectElement} */ (need("across-scenario"));
    const { tensorflow, device, size, dtype } = state.view;
    const version = [scenario, state.card.key, tensorflow, device, size, dtype, state.subject].join(
      "\n",
    );
    if (shown === version) return;
    shown = version;
    const place = need("across-body");
    place.setAttribute("aria-busy", "true");
    try {
      const data = await detcost.load(detcost.own(detcost.index.scenarios, scenario)?.[0] ?? "");
      if (shown !== version) return; // a later request replaced this one
      place.replaceChildren(...parts(state, ofView(state.view, detcost.observations(data))));
    } catch {
      shown = "";
      place.replaceChildren(
        el(
          "p",
          { class: "alarm" },
          "The data could not be loaded from the folder data beside this page.",
        ),
      );
    }
    place.removeAttribute("aria-busy");
  }

  /** Only comparable runs: the same device, size and type. */
  /** @param {View} view @param {Map<number, Observations[]>} seen */
  function ofView(view, seen) {
    const same = (/** @type {Observations} */ run) =>
      run.device === view.device && run.size === view.size && run.dtype === view.dtype;
    const kept = [...seen].map(
      ([place, runs]) => /** @type {const} */ ([place, runs.filter(same)]),
    );
    return new Map(kept.filter(([, runs]) => runs.length));
  }

  /** @param {State} state @param {Map<number, Observations[]>} seen @returns {Node[]} */
  function parts(state, seen) {
    /** @type {[string, Child[]][]} */
    const sections = [
      ["Machines side by side", detcost.sideBySide(seen)],
      ["Machines that give the same bits", detcost.agreement(seen)],
      [`Runs and TensorFlow versions on ${state.card.name}`, detcost.history(state, seen)],
      ["Changes between the last two runs of a cell", changed(state)],
    ];
    return sections.map(([title, content]) =>
      el("div", { class: "part" }, el("h3", {}, title), ...content),
    );
  }

  /** @param {State} state @returns {Child[]} */
  function changed({ machineData, view, subject, card }) {
    const names = new Set(view.subjects[subject].scenarios.map((row) => view.scenarios[row]));
    const changes = detcost
      .changes(machineData)
      .filter(
        (change) =>
          change.device === view.device &&
          change.size === view.size &&
          change.dtype === view.dtype &&
          names.has(change.scenario),
      );
    if (!changes.length) {
      return [
        el("p", { class: "quiet" }, `No cell on ${card.name} changed between its last two runs.`),
      ];
    }
    const rows = changes.map((change) => [
      detcost.breakable(change.scenario),
      detcost.breakable(change.setting),
      change.what,
      change.before,
      change.after,
      `${detcost.day(change.measured_before)} → ${detcost.day(change.measured_after)}`,
    ]);
    const text = `${detcost.plural(changes.length, "difference")} between the last run of a cell and the run before it. A cost changed if the two intervals do not overlap. Bits count as changed only if they race in neither run.`;
    const heads = ["scenario", "setting", "what", "before", "after", "runs"];
    return [
      el("p", {}, text),
      detcost.tableOf("Changes between the last two runs of a cell", heads, rows),
    ];
  }
})();
