/**
 * The store: the index, and the machines and scenarios loaded so far.
 *
 * Each file adds its functions to this object; types.d.ts lists them all.
 */
const detcost = /** @type {Detcost} */ ({
  received: new Map(),
  /** Receive data. Each data file beside this page is one call of it. */
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

  /** Load a data file once. A script element works from file://, where fetch does not. */
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
    promise.catch(() => loading.delete(key)); // so that a later request tries again
    return promise;
  };

  /** Keys are untrusted: an inherited name, such as "constructor", is not an entry. */
  detcost.own = (record, key) => (Object.hasOwn(record, key) ? record[key] : undefined);

  /** Return an object from an array. @param {string} kind @param {any} places @returns {any} */
  function named(kind, places) {
    if (!places) return null;
    return Object.fromEntries(detcost.index.fields[kind].map((name, i) => [name, places[i]]));
  }

  /** @param {any} view @returns {(Cell | null)[][]} */
  function cells(view) {
    const origins = view.origins.map((/** @type {any} */ places) => {
      const origin = named("Origin", places);
      return { ...origin, same_setting: named("Figure", origin.same_setting) };
    });
    /** @param {any} places @returns {Cell | null} */
    const cell = (places) => {
      if (!places) return null;
      const { origin, ...own } = named("CellView", places);
      return { ...own, cost: named("CostView", own.cost), ...origins[origin] };
    };
    return view.cells.map((/** @type {any[]} */ row) => row.map(cell));
  }

  /** @param {any} view @param {any} subject @returns {Subject} */
  function subject(view, subject) {
    const costs = (/** @type {any[]} */ list) =>
      list.map((places) => {
        if (!places) return null;
        const cost = named("SubjectCost", places);
        const [verdict, explained] = view.verdicts[cost.verdict];
        return { ...cost, verdict, explained };
      });
    return { ...subject, costs: costs(subject.costs), worst: costs(subject.worst) };
  }

  /** @template T @param {() => T} make */
  function once(make) {
    /** @type {T | undefined} */
    let known;
    return () => {
      known ??= make();
      return known;
    };
  }

  /** Decoding a million cells at once takes too long: a view is decoded when first used. */
  /** @param {any} view @returns {View} */
  function lazily(view) {
    /** @type {Map<string, Subject>} */
    const subjects = new Map();
    const byName = new Proxy(view.subjects, {
      get(target, name) {
        if (typeof name !== "string" || !Object.hasOwn(target, name)) return undefined;
        const known = subjects.get(name) ?? subject(view, target[name]);
        subjects.set(name, known);
        return known;
      },
    });
    const ownCells = once(() => cells(view));
    const ownChecks = once(() =>
      view.checks.map((/** @type {any} */ places) => named("CheckView", places)),
    );
    return {
      ...view,
      subjects: byName,
      get cells() {
        return ownCells();
      },
      get checks() {
        return ownChecks();
      },
    };
  }

  detcost.unchecked = (scope) => named("CheckView", detcost.index.unchecked[scope]);

  detcost.checksOf = (view, row, column) => {
    const place = view.checked[row][column];
    if (place === null) return detcost.index.scopes.map(() => null);
    return view.sets[place].map((rank) => (rank === null ? null : view.checks[rank]));
  };

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
    const run = named("Observations", places);
    run.settings = new Map(
      Object.entries(run.settings).map(([name, seen]) => [name, named("Observation", seen)]),
    );
    return run;
  }

  detcost.observations = (data) => {
    const record = /** @type {Record<string, any[]>} */ (data);
    const known = unpacked.get(record);
    if (known) return known;
    const machines = new Map(
      Object.entries(record).map(([place, runs]) => [Number(place), runs.map(observations)]),
    );
    unpacked.set(record, machines);
    return machines;
  };
})();
