/** The question as an address: the part after "#" has all of it. */
(() => {
  detcost.wanted = (hash) => {
    const pairs = hash
      .replace(/^#/, "")
      .split("&")
      .filter((part) => part.includes("="));
    return new Map(
      pairs.map((part) => {
        const at = part.indexOf("=");
        return [part.slice(0, at), decoded(part.slice(at + 1))];
      }),
    );
  };

  /** @param {string} text */
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** @param {string} text */
  function encoded(text) {
    return encodeURIComponent(text).replace(/%(3A|2C|2F|2B|3D|40)/g, decodeURIComponent);
  }

  /** Only parts that differ from the defaults. */
  detcost.address = (state) => {
    const usual = detcost.resolve(
      new Map([["machine", state.card.name]]),
      state.machineData,
      state.card,
    ).state;
    const parts = Object.entries({
      machine: state.card === detcost.index.machines[0] ? "" : state.card.name,
      tensorflow: differing(state.view.tensorflow, usual.view.tensorflow),
      device: differing(state.view.device, usual.view.device),
      scenario: differing(state.subject, usual.subject),
      survive: differing(state.survive.join(","), usual.survive.join(",")),
      "max-rate": state.maxRate === null ? "" : String(state.maxRate),
      size: differing(state.view.size, detcost.index.usual.size),
      dtype: differing(state.view.dtype, detcost.index.usual.dtype),
      sort: state.sort,
      open: [...state.open].join(","),
    });
    return parts
      .filter(([, value]) => value)
      .map(([name, value]) => `${name}=${encoded(value)}`)
      .join("&");
  };

  /** @param {string} value @param {string} usual */
  function differing(value, usual) {
    return value === usual ? "" : value;
  }

  detcost.card = (wanted) => {
    const { machines } = detcost.index;
    const name = wanted.get("machine");
    const named = machines.find((card) => card.name === name);
    if (named || name === undefined) return { card: named ?? machines[0], notes: [] };
    return {
      card: machines[0],
      notes: [`There is no machine “${name}” here; this is ${machines[0].name}.`],
    };
  };

  detcost.resolve = (wanted, data, card) => {
    /** @type {string[]} */
    const notes = [];
    const view = viewOf(wanted, data, card, notes);
    const survive = scopesOf(wanted, notes);
    const state = {
      card,
      machineData: data,
      view,
      subject: pick("scenario", wanted, subjectsOf(view), "all", notes, card),
      survive,
      maxRate: rateOf(wanted, notes),
      sort: wanted.get("sort") ?? "",
      open: new Set(
        (wanted.get("open") ?? "").split(",").filter((name) => view.settings.includes(name)),
      ),
    };
    return { state, notes };
  };

  /** @param {View} view */
  function subjectsOf(view) {
    const names = ["all", ...new Set(view.families), ...view.scenarios];
    return names.filter((name) => view.subjects[name]);
  }

  /** Narrow a machine's views down, as detcost.choosing.question.select does. */
  /** @param {Wanted} wanted @param {Machine} data @param {Card} card @param {string[]} notes */
  function viewOf(wanted, data, card, notes) {
    let views = data.views; // the newest first
    const preferred = { tensorflow: "", ...detcost.index.usual };
    for (const key of /** @type {const} */ (["tensorflow", "device", "size", "dtype"])) {
      const there = [...new Set(views.map((view) => view[key]))];
      const chosen = pick(key, wanted, there, preferred[key], notes, card);
      views = views.filter((view) => view[key] === chosen);
    }
    return views[0];
  }

  /** @type {Record<string, string>} */
  const KIND = {
    tensorflow: "TensorFlow",
    device: "device",
    size: "size",
    dtype: "type",
    scenario: "scenario",
  };

  /** Return the wanted value if it exists; otherwise the default one, with a note. */
  /** @param {string} key @param {Wanted} wanted @param {string[]} there @param {string} preferred @param {string[]} notes @param {Card} card */
  function pick(key, wanted, there, preferred, notes, card) {
    const name = wanted.get(key);
    if (name !== undefined && there.includes(name)) return name;
    const usual = there.includes(preferred) ? preferred : there[0];
    if (name !== undefined) {
      notes.push(`On ${card.name}, ${KIND[key]} “${name}” was not measured; this is ${usual}.`);
    }
    return usual;
  }

  /** @param {Wanted} wanted @param {string[]} notes */
  function scopesOf(wanted, notes) {
    const { scopes, usual_scopes: usual } = detcost.index;
    const names = wanted.get("survive")?.split(",") ?? usual;
    const unknown = names.filter((name) => !scopes.includes(name));
    const known = scopes.filter((scope) => names.includes(scope));
    if (unknown.length) {
      notes.push(`There is no scope “${unknown.join(", ")}”; there are ${scopes.join(", ")}.`);
    }
    return known.length ? known : usual;
  }

  /** @param {Wanted} wanted @param {string[]} notes */
  function rateOf(wanted, notes) {
    const text = wanted.get("max-rate");
    if (!text) return null;
    const rate = /^[\d.]+(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (rate > 0 && rate <= 1) return rate;
    notes.push(
      `“${text}” is not a highest rate, which is above 0 and at most 1, such as 0.05. Any bound qualifies.`,
    );
    return null;
  }

  /** Read a percentage; null for an empty text, undefined for a mistake. */
  detcost.readRate = (text) => {
    const bare = text.trim().replace(/\s*%$/, "").replace(",", ".");
    if (!bare) return null;
    const rate = /^(\d+\.?\d*|\.\d+)$/.test(bare) ? Number(`${bare}e-2`) : Number.NaN;
    return rate > 0 && rate <= 1 ? rate : undefined;
  };
})();
