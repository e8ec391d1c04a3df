/** From the address to the page, and from the form to the address. */
(() => {
  const { el, need } = detcost;
  /** @type {State | null} */
  let state = null;
  let asked = 0;

  /** Show what an address asks for. @param {Wanted} wanted @param {"push" | "replace" | "keep"} address */
  async function show(wanted, address) {
    const { card, notes } = detcost.card(wanted);
    const turn = ++asked;
    if (!detcost.received.has(card.key)) {
      need("answer").setAttribute("aria-busy", "true");
      need("notes").replaceChildren(el("p", {}, `Loading ${card.name} …`));
    }
    try {
      const data = detcost.machine(await detcost.load(card.key));
      if (turn !== asked) return; // another was asked for meanwhile
      const found = detcost.resolve(wanted, data, card);
      state = found.state;
      if (address !== "keep") remember(address === "replace");
      render(state, [...notes, ...found.notes]);
    } catch (error) {
      if (error instanceof Error && error.message !== card.key) throw error;
      const text = `The data of ${card.name} could not be loaded from the folder data beside this page.`;
      need("notes").replaceChildren(el("p", { class: "alarm" }, text));
      need("answer").removeAttribute("aria-busy");
      if (state) detcost.fillChooser(state);
    }
  }

  /** @param {State} state @param {string[]} notes */
  function render(state, notes) {
    need("notes").replaceChildren(...notes.map((note) => el("p", {}, note)));
    const choice = detcost.choose(state);
    detcost.fillChooser(state);
    detcost.showBanner(choice);
    detcost.showAnswer(state, choice);
    detcost.showTable(state, choice);
    detcost.showPlots(state);
    detcost.showCard(state);
    detcost.showAcross(state);
    detcost.showFolklore(state);
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

  /** Ask for something else. Of what is only arranged otherwise, the address is all to be changed. */
  detcost.go = (changes, arranged = false) => {
    if (arranged) return remember(true);
    if (!state) return;
    const wanted = detcost.wanted(detcost.address(state));
    for (const [name, value] of Object.entries(changes)) wanted.set(name, value);
    show(wanted, "push");
    need("answer").scrollIntoView({ block: "nearest" });
    need("answer").focus({ preventScroll: true }); // what was pressed may be gone
  };

  /** @param {boolean} replace */
  function ask(replace) {
    const wanted = detcost.readChooser();
    if (!wanted || !state) return;
    wanted.set("sort", state.sort);
    wanted.set("open", [...state.open].join(","));
    show(wanted, replace ? "replace" : "push");
  }

  /** A link within the page must not write over the question in the address. @param {Event} event */
  function jump(event) {
    const link = event.target instanceof Element && event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    const target = need(String(link.getAttribute("href")).slice(1));
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  }

  /** What is on the page whatever is asked. */
  function furnish() {
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
  furnish();
  show(detcost.wanted(location.hash), "keep");
})();
