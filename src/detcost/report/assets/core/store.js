/**
 * What the page knows: its index, and the machines and scenarios loaded so far.
 *
 * Every other file adds its part to this one object; types.d.ts lists them all.
 */
const detcost = /** @type {Detcost} */ ({
  received: new Map(),
  /** Take data in; every file of data beside this page is one call of it. */
  receive(key, data) {
    detcost.received.set(key, data);
  },
  get index() {
    return /** @type {Index} */ (detcost.received.get("index"));
  },
});

(() => {
  /** @type {Map<string, Promise<unknown>>} */
  const loading = new Map();
  /** @type {WeakMap<object, any>} */
  const unpacked = new WeakMap();

  /** Load a file of data, once; a script element works from file:// too, where fetch does not. */
  detcost.load = (key) => {
    if (detcost.received.has(key)) return Promise.resolve(detcost.received.get(key));
    const known = loading.get(key);
    if (known) return known;
    const promise = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `data/${key}.js`;
      script.onload = () =>
        detcost.received.has(key) ? resolve(detcost.received.get(key)) : reject(new Error(key));
      script.onerror = () => reject(new Error(key));
      document.head.append(script);
    });
    loading.set(key, promise);
    promise.catch(() => loading.delete(key)); // so that it can be tried again
    return promise;
  };

  /** Strangers choose the keys: nothing inherited, such as "constructor", is theirs. */
  detcost.own = (record, key) => (Object.hasOwn(record, key) ? record[key] : undefined);

  /** Name the places of an array. @param {string} kind @param {any} places @returns {any} */
  function named(kind, places) {
    if (!places) return null;
    return Object.fromEntries(detcost.index.fields[kind].map((name, i) => [name, places[i]]));
  }

  /** Name the cells of a view; what many have in common is named once. @param {any} view */
  function cells(view) {
    const counts = view.counts.map((/** @type {any} */ places) => {
      const count = named("Count", places);
      return { ...count, skipped: Object.keys(count.skipped) };
    });
    const origins = view.origins.map((/** @type {any} */ places) => {
      const origin = named("Origin", places);
      return { ...origin, same_setting: named("Figure", origin.same_setting) };
    });
    /** @param {any} places @returns {Cell | null} */
    const cell = (places) => {
      if (!places) return null;
      const { origin, ...found } = named("CellView", places);
      const scopes = Object.entries(found.scopes);
      found.scopes = new Map(scopes.map(([scope, place]) => [scope, counts[Number(place)]]));
      found.cost = named("CostView", found.cost);
      return Object.assign(found, origins[origin]);
    };
    return view.cells.map((/** @type {any[]} */ row) => row.map(cell));
  }

  /** @param {any} subject @returns {Subject} */
  function subject(subject) {
    const figures = (/** @type {any[]} */ list) => list.map((places) => named("Figure", places));
    return { ...subject, costs: figures(subject.costs), worst: figures(subject.worst) };
  }

  /** A million cells would be slow to name at once: each view is named when first looked at. */
  /** @param {any} view @returns {View} */
  function lazily(view) {
    /** @type {View["cells"] | undefined} */
    let known;
    /** @type {Map<string, Subject>} */
    const subjects = new Map();
    const byName = new Proxy(view.subjects, {
      get(target, name) {
        if (typeof name !== "string" || !Object.hasOwn(target, name)) return undefined;
        const known = subjects.get(name) ?? subject(target[name]);
        subjects.set(name, known);
        return known;
      },
    });
    return {
      ...view,
      subjects: byName,
      get cells() {
        known ??= cells(view);
        return known;
      },
    };
  }

  detcost.machine = (received) => {
    const data = /** @type {any} */ (received);
    const known = unpacked.get(data) ?? { ...data, views: data.views.map(lazily) };
    unpacked.set(data, known);
    unpacked.set(known, known);
    return known;
  };

  detcost.changes = (machine) => machine.changes.map((places) => named("Change", places));

  /** @param {any} places @returns {Observations} */
  function observations(places) {
    const found = named("Observations", places);
    found.settings = new Map(
      Object.entries(found.settings).map(([name, seen]) => [name, named("Observation", seen)]),
    );
    return found;
  }

  detcost.observations = (data) => {
    const record = /** @type {Record<string, any[]>} */ (data);
    const known = unpacked.get(record);
    if (known) return known;
    const found = new Map(
      Object.entries(record).map(([place, runs]) => [Number(place), runs.map(observations)]),
    );
    unpacked.set(record, found);
    return found;
  };
})();
