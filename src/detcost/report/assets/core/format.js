/** Numbers, commands and texts as Python writes them. */
(() => {
  /** Whether exactly a half follows some digits, and the last one is even: Python rounds down. */
  /** @param {string} digits @param {number} kept */
  function isEvenHalf(digits, kept) {
    return /^50*$/.test(digits.slice(kept)) && "02468".includes(digits[kept - 1]);
  }

  /** Python's `:.2f`: rounds the exact value of a number. */
  detcost.fixed = (value, places) => {
    if (Math.abs(value) >= 1e21) {
      return BigInt(value) + (places ? `.${"0".repeat(places)}` : "");
    }
    const exact = value.toFixed(places + 60);
    const point = exact.indexOf(".");
    const digits = exact.slice(0, point) + exact.slice(point + 1);
    if (!isEvenHalf(digits, point + places)) return value.toFixed(places);
    return places ? exact.slice(0, point + 1 + places) : exact.slice(0, point);
  };

  /** Python's `:.2g`. */
  detcost.general = (value, digits) => {
    if (value === 0) return "0";
    const sign = value < 0 ? "-" : "";
    const size = Math.abs(value);
    const [mantissa, power] = size.toExponential(60).split("e");
    const exact = mantissa.replace(".", "");
    const rounded = isEvenHalf(exact, digits)
      ? `${exact[0]}.${exact.slice(1, digits)}e${power}`
      : size.toExponential(digits - 1);
    const exponent = Number(rounded.split("e")[1]);
    if (exponent >= -4 && exponent < digits) {
      return sign + trimmed(Number(rounded).toFixed(digits - 1 - exponent));
    }
    const shown = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
    return `${sign}${trimmed(rounded.split("e")[0])}e${shown}`;
  };

  /** @param {string} number */
  function trimmed(number) {
    return number.includes(".") ? number.replace(/\.?0+$/, "") : number;
  }

  /** @param {number | null} rate */
  function bare(rate) {
    if (rate === null) return "?";
    const hundredths = 100 * rate;
    return hundredths < 10 ? detcost.general(hundredths, 2) : detcost.fixed(hundredths, 0);
  }

  /** Cached: few rates occur often, and rounding takes sixty digits. */
  /** @type {Map<number | null, string>} */
  const percents = new Map();

  detcost.percent = (rate) => {
    const known = percents.get(rate) ?? `${bare(rate)} %`;
    if (percents.size < 10_000) percents.set(rate, known);
    return known;
  };

  /** One of Python's texts, with the names in braces replaced. */
  detcost.say = (name, values = {}) => {
    const given = typeof values === "number" ? { count: values } : values;
    return detcost.index.words[name].replace(/\{(\w+)\}/g, (_, key) => String(given[key]));
  };

  /** Python's shlex.join. */
  detcost.shell = (words) => words.map(quoted).join(" ");

  /** @param {string} word */
  function quoted(word) {
    if (!word) return "''";
    return /[^\w@%+=:,./-]/.test(word) ? `'${word.replaceAll("'", `'"'"'`)}'` : word;
  }

  detcost.spaced = (name) => name.replaceAll("_", " ");

  detcost.plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

  detcost.listed = (names, most = 6) => {
    const rest = names.length > most ? ` and ${names.length - most} more` : "";
    return names.slice(0, most).join(", ") + rest;
  };

  detcost.day = (time) => time.slice(0, 10);

  detcost.seconds = (value) => {
    if (value === null) return "–";
    if (value >= 1) return `${value.toFixed(1)} s`;
    return value >= 0.01
      ? `${Math.round(value * 1000)} ms`
      : `${detcost.general(value * 1000, 2)} ms`;
  };

  detcost.bytes = (value) => {
    if (value === null) return "–";
    const [unit, size] = value >= 1e9 ? ["GB", 1e9] : ["MB", 1e6];
    return `${(value / Number(size)).toFixed(unit === "GB" ? 1 : 0)} ${unit}`;
  };
})();
