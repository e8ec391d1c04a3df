/** Across runs and machines: loaded for one scenario at a time, when the reader comes near. */
(() => {
  const { el, need } = detcost;
  const whenNear = detcost.whenNear("across");
  let shown = "";

  detcost.showAcross = (state) => {
    fillScenarios(state);
    whenNear(() => show(state));
  };

  /** Where the question is about several scenarios, one is picked here. @param {State} state */
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
      if (shown !== version) return; // another was asked for meanwhile
      place.replaceChildren(...parts(state, ofView(state.view, detcost.observations(data))));
    } catch {
      shown = "";
      place.replaceChildren(
        el(
          "p",
          { class: "alarm" },
          "Its data could not be loaded from the folder data beside this page.",
        ),
      );
    }
    place.removeAttribute("aria-busy");
  }

  /** Only what is comparable: the same device, size and type. */
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
      ["Which machines give the same bits", detcost.agreement(seen)],
      [`Runs and TensorFlow versions on ${state.card.name}`, detcost.history(state, seen)],
      ["What changed since the last run", changed(state)],
    ];
    return sections.map(([title, content]) =>
      el("div", { class: "part" }, el("h3", {}, title), ...content),
    );
  }

  /** @param {State} state @returns {Child[]} */
  function changed({ machineData, view, subject, card }) {
    const names = new Set(view.subjects[subject].scenarios.map((row) => view.scenarios[row]));
    const found = detcost
      .changes(machineData)
      .filter(
        (change) =>
          change.device === view.device &&
          change.size === view.size &&
          change.dtype === view.dtype &&
          names.has(change.scenario),
      );
    if (!found.length) {
      return [
        el(
          "p",
          { class: "quiet" },
          `Nothing that was measured more than once on ${card.name} came out otherwise.`,
        ),
      ];
    }
    const rows = found.map((change) => [
      detcost.breakable(change.scenario),
      detcost.breakable(change.setting),
      change.what,
      change.before,
      change.after,
      `${detcost.day(change.measured_before)} → ${detcost.day(change.measured_after)}`,
    ]);
    const text = `${detcost.plural(found.length, "difference")} between a cell’s last run and the one before it. A cost counts as changed where the two intervals do not meet; bits, where neither run saw them race.`;
    const heads = ["scenario", "setting", "what", "before", "after", "runs"];
    return [el("p", {}, text), detcost.tableOf("What changed since the last run", heads, rows)];
  }
})();
