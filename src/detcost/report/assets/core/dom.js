/** Elements. Untrusted text is never parsed as HTML. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  /** @param {Element} element @param {Properties} properties */
  function dress(element, properties) {
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) {
        element.setAttribute(name, String(value));
      }
    }
  }

  detcost.el = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    dress(element, properties);
    for (const child of children) if (child) element.append(child);
    return element;
  };

  detcost.svg = (tag, properties = {}, ...children) => {
    const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
    dress(element, properties);
    element.append(...children);
    return element;
  };

  detcost.need = (id) => {
    const element = document.getElementById(id);
    if (!element) throw new Error(`the page has no #${id}`);
    return /** @type {any} */ (element);
  };

  /** Render when scrolled to. Only the latest request is rendered. */
  detcost.whenNear = (id) => {
    let near = false;
    let request = () => {};
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        near = true;
        observer.disconnect();
        request();
      },
      { rootMargin: "600px" },
    );
    observer.observe(detcost.need(id));
    return (action) => {
      request = action;
      if (near) request();
    };
  };

  /** A name that may break after each "+", to fit a narrow column. */
  detcost.breakable = (name) => {
    const fragment = document.createDocumentFragment();
    for (const part of name.split(/(?<=\+)/)) {
      if (fragment.childNodes.length) fragment.append(document.createElement("wbr"));
      fragment.append(part);
    }
    return fragment;
  };

  detcost.copyButton = (what, text) => {
    const { el } = detcost;
    const status = el("span", { class: "copied", role: "status", "aria-live": "polite" });
    const copy = async () => {
      status.textContent = (await copied(text))
        ? "Copied"
        : "Not copied. Select the text and copy it.";
      setTimeout(() => status.replaceChildren(), 4000);
    };
    const label = `Copy: ${what}`;
    const properties = { type: "button", class: "copy", "data-copy": what, "aria-label": label };
    return el(
      "span",
      { class: "copying" },
      el("button", { ...properties, click: copy }, "Copy"),
      status,
    );
  };

  /** Copy a text, with the older method if the browser refuses the newer one. @param {string} text */
  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      const before = document.activeElement;
      area.value = text;
      area.className = "visually-hidden";
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (before instanceof HTMLElement) before.focus();
      return done;
    }
  }

  /** A text with a title and a button that copies it. */
  detcost.copyable = (what, title, text, heading = "h3") => {
    const { el } = detcost;
    const head = el(
      "div",
      { class: "snippet-head" },
      el(heading, {}, title),
      detcost.copyButton(what, text),
    );
    const code = el(
      "pre",
      { tabindex: 0, role: "group", "aria-label": title },
      el("code", {}, text),
    );
    return el("div", { class: "snippet" }, head, code);
  };

  detcost.definitions = (rows) => {
    const { el } = detcost;
    const pairs = rows.map(([name, value]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, value)),
    );
    return el("dl", { class: "definitions" }, ...pairs);
  };

  /** A fold. Its content is made when it is first opened. */
  detcost.folded = (summary, fill, open = false) => {
    const { el } = detcost;
    const body = el("div", { class: "folded" });
    const details = el("details", {}, el("summary", {}, summary), body);
    const once = () => {
      if (!body.childNodes.length) body.append(fill() || "");
    };
    details.addEventListener("toggle", once);
    if (open) {
      once();
      details.setAttribute("open", "");
    }
    return details;
  };

  const SLICE = 50;

  /** Render a long list in slices. */
  detcost.sliced = (items, into, draw) => {
    const { el } = detcost;
    let drawn = 0;
    const more = el("button", { type: "button", class: "more" });
    const next = () => {
      into.append(...items.slice(drawn, drawn + SLICE).map(draw));
      drawn = Math.min(drawn + SLICE, items.length);
      more.hidden = drawn === items.length;
      more.textContent = `Show ${Math.min(SLICE, items.length - drawn)} more of ${items.length - drawn}`;
    };
    more.addEventListener("click", next);
    next();
    return more;
  };

  /** A box that scrolls a wide table, by keyboard too. */
  detcost.scroller = (label, table) =>
    detcost.el(
      "div",
      { class: "scroller", tabindex: 0, role: "region", "aria-label": label },
      table,
    );

  detcost.tableOf = (caption, heads, rows) => {
    const { el } = detcost;
    const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
    const body = el("tbody");
    const row = (/** @type {Child[]} */ [first, ...rest]) =>
      el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((cell) => el("td", {}, cell)));
    const more = detcost.sliced(rows, body, row);
    const hidden = el("caption", { class: "visually-hidden" }, caption);
    const table = el("table", {}, hidden, el("thead", {}, head), body);
    return el("div", {}, detcost.scroller(caption, table), more);
  };
})();
