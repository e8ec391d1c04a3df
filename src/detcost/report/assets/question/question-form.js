/** The form of a question: it offers what was measured, and is read in the form of an address. */
(() => {
  const { el, need } = detcost;

  /** The change that each scope allows. @type {Record<string, string>} */
  const MEANING = {
    repeat: "the same process again",
    process: "a fresh process",
    threads: "other thread-pool sizes, as on other machines",
    load: "a busy machine",
    isa: "older CPU instruction sets",
    execution: "eager, graph or XLA",
    machine: "the other machines here",
    version: "other versions of TensorFlow",
  };

  /** The family of whole training steps. */
  const MODELS = "models";

  /** @param {string} value @param {string} text */
  function option(value, text) {
    return el("option", { value }, text);
  }

  /** Options are made again only if they differ, since there may be a thousand machines. */
  /** @param {string} id @param {string} chosen @param {string} version @param {() => HTMLElement[]} make */
  function fill(id, chosen, version, make) {
    const select = /** @type {HTMLSelectElement} */ (need(id));
    if (select.dataset.version !== version) {
      select.replaceChildren(...make());
      select.dataset.version = version;
    }
    select.value = chosen;
    return select;
  }

  /** @param {string} id @param {string} chosen @param {string[]} values @param {boolean} hide */
  function fillPlain(id, chosen, values, hide) {
    const select = fill(id, chosen, values.join("\n"), () =>
      values.map((value) => option(value, value)),
    );
    /** @type {HTMLElement} */ (select.parentElement).hidden = hide && values.length < 2;
  }

  /** @param {Card} card */
  function machineOption(card) {
    const failed = card.failed_controls.length ? " – CONTROLS FAILED" : "";
    const text = `${card.name} – ${card.cpu}, ${detcost.day(card.last_measured)}${failed}`;
    return option(card.name, text);
  }

  /** @param {View} view */
  function scenarioOptions(view) {
    const families = [...new Set(view.families)];
    const count = (/** @type {string} */ family) =>
      view.families.filter((name) => name === family).length;
    const group = (/** @type {string} */ label, /** @type {HTMLElement[]} */ options) =>
      el("optgroup", { label }, ...options);
    const isModel = (/** @type {string} */ _, /** @type {number} */ row) =>
      view.families[row] === MODELS;
    const named = (/** @type {string[]} */ names) => names.map((name) => option(name, name));
    const models = named(view.scenarios.filter(isModel));
    const others = named(view.scenarios.filter((name, row) => !isModel(name, row)));
    return [
      ...(models.length ? [group("A program like mine", models)] : []),
      option("all", `all ${view.scenarios.length} scenarios`),
      group(
        "Families",
        families.map((name) => option(name, `${name} (${count(name)})`)),
      ),
      ...(others.length ? [group("Scenarios", others)] : []),
    ];
  }

  /** @param {Machine} data @param {View} view */
  function fillPlaces(data, view) {
    let views = data.views;
    for (const key of /** @type {const} */ (["tensorflow", "device", "size", "dtype"])) {
      fillPlain(key, view[key], [...new Set(views.map((each) => each[key]))], key !== "device");
      views = views.filter((each) => each[key] === view[key]);
    }
  }

  /** @param {string[]} survive */
  function fillScopes(survive) {
    const box = need("scopes");
    if (!box.childNodes.length) {
      for (const scope of detcost.index.scopes) {
        const input = el("input", { type: "checkbox", name: "survive", value: scope });
        const meaning = el("span", { class: "meaning" }, MEANING[scope] ?? "");
        box.append(
          el("label", { class: "scope" }, input, el("span", {}, el("b", {}, scope), " ", meaning)),
        );
      }
    }
    for (const input of box.querySelectorAll("input"))
      input.checked = survive.includes(input.value);
  }

  detcost.fillForm = ({ card, machineData, view, subject, survive, maxRate }) => {
    const { machines } = detcost.index;
    const select = fill("machine", card.name, "all", () => machines.map(machineOption));
    /** @type {HTMLElement} */ (select.parentElement).hidden = machines.length < 2;
    fillPlaces(machineData, view);
    const version = JSON.stringify([view.scenarios, view.families]);
    fill("scenario", subject, version, () => scenarioOptions(view));
    need("scenario-summary").textContent = detcost.own(detcost.index.scenarios, subject)?.[1] ?? "";
    fillScopes(survive);
    const rate = /** @type {HTMLInputElement} */ (need("max-rate"));
    if (detcost.readRate(rate.value) !== maxRate) {
      rate.value = maxRate === null ? "" : String(Number((100 * maxRate).toPrecision(12)));
    }
    complain("max-rate", "");
    complain("scopes", "");
  };

  /** @param {string} id @param {string} text */
  function complain(id, text) {
    need(`${id}-error`).textContent = text;
    if (text) need(id).setAttribute("aria-invalid", "true");
    else need(id).removeAttribute("aria-invalid");
  }

  /** Read the form; null if it has a mistake, which the form then shows. */
  detcost.readForm = () => {
    const form = new FormData(/** @type {HTMLFormElement} */ (need("chooser")));
    const survive = form.getAll("survive").join(",");
    const text = String(form.get("max-rate"));
    const rate = detcost.readRate(text);
    const kept = "The answer still belongs to the previous question.";
    complain("scopes", survive ? "" : `Choose at least one. ${kept}`);
    const wrong = `“${text}” is not a rate. Write a percentage above 0 and at most 100, such as 5. ${kept}`;
    complain("max-rate", rate === undefined ? wrong : "");
    if (!survive || rate === undefined) return null;
    const wanted = new Map([
      ["survive", survive],
      ["max-rate", rate === null ? "" : String(rate)],
    ]);
    for (const key of ["machine", "tensorflow", "device", "scenario", "size", "dtype"]) {
      wanted.set(key, String(form.get(key)));
    }
    return wanted;
  };
})();
