/** From the address to the page, and from the form to the address. */
(() => {
  const { el, need } = detcost;
  /** @type {State | null} */
  let state = null;
  let requests = 0;

  /** Show the answer to the question in an address. @param {Wanted} wanted @param {"push" | "replace" | "keep"} address */
  async function show(wanted, address) {
    const { card, notes } = detcost.card(wanted);
    const request = ++requests;
    if (!detcost.received.has(card.key)) {
      need("answer").setAttribute("aria-busy", "true");
      need("notes").replaceChildren(el("p", {}, `Loading ${card.name} …`));
    }
    try {
      const data = detcost.machine(await detcost.load(card.key));
      if (request !== requests) return; // a later question replaced this one
      const resolved = detcost.resolve(wanted, data, card);
      state = resolved.state;
      if (address !== "keep") remember(address === "replace");
      render(state, [...notes, ...resolved.notes]);
    } catch (error) {
      if (error instanceof Error && error.message !== card.key) throw error;
      const text = `The data of ${card.name} could not be loaded from the folder data beside this page.`;
      need("notes").replaceChildren(el("p", { class: "alarm" }, text));
      need("answer").removeAttribute("aria-busy");
      if (state) detcost.fillForm(state);
    }
  }

  /** @param {State} state @param {string[]} notes */
  function render(state, notes) {
    need("notes").replaceChildren(...notes.map((note) => el("p", {}, note)));
    const choice = detcost.choose(state);
    detcost.fillForm(state);
    detcost.showBanner(choice);
    detcost.showAnswer(state, choice);
    detcost.showLocated(state);
    detcost.showTable(state, choice);
    detcost.showPlots(state);
    detcost.showMachineCard(state);
    detcost.showRunsAndMachines(state);
    detcost.showClaims(state);
    detcost.downloads(state, choice);
    document.title = `${choice.best ?? "none qualifies"} – detcost`;
  }

  /** Put the state into the address. @param {boolean} replace */
  function remember(replace) {
    if (!state) return;
    const hash = detcost.address(state);
    const before = location.hash.replace(/^#/, "");
    if (hash === before) return;
    const address = hash ? `#${hash}` : location.pathname + location.search;
    if (replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  /** Ask another question. A change of the arrangement only, such as sorting, keeps the answer. */
  detcost.go = (changes, arranged = false) => {
    if (arranged) return remember(true);
    if (!state) return;
    const wanted = detcost.wanted(detcost.address(state));
    for (const [name, value] of Object.entries(changes)) wanted.set(name, value);
    show(wanted, "push");
    need("answer").scrollIntoView({ block: "nearest" });
    need("answer").focus({ preventScroll: true }); // the element that had the focus may be gone
  };

  /** @param {boolean} replace */
  function ask(replace) {
    const wanted = detcost.readForm();
    if (!wanted || !state) return;
    wanted.set("sort", state.sort);
    wanted.set("open", [...state.open].join(","));
    show(wanted, replace ? "replace" : "push");
  }

  /** Follow a link within the page, and keep the question in the address. @param {Event} event */
  function jump(event) {
    const link = event.target instanceof Element && event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    const target = need(String(link.getAttribute("href")).slice(1));
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  }

  /** Fill in the parts that do not depend on the question. */
  function fillFixedParts() {
    const { site, problems } = detcost.index;
    const link = need("asv-site");
    if (site !== null) link.setAttribute("href", site);
    link.hidden = site === null;
    need("problems").hidden = !problems.length;
    need("problems-heading").textContent =
      `${detcost.plural(problems.length, "line")} of evidence could not be read`;
    const list = need("problems-list");
    list.after(detcost.sliced(problems, list, (problem) => el("li", {}, problem)));
  }

  const form = need("chooser");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => ask(false));
  need("max-rate").addEventListener("input", () => ask(true));
  document.addEventListener("click", jump);
  window.addEventListener("popstate", () => show(detcost.wanted(location.hash), "keep"));
  fillFixedParts();
  detcost.showFleet();
  show(detcost.wanted(location.hash), "keep");
})();
