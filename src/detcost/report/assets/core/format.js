/** Numbers and names as Python writes them: the command and the page say the same. */
(() => {
  /** Whether only a half is left after some digits. Of a half Python takes the even side. */
  /** @param {string} digits @param {number} kept */
  function isEvenHalf(digits, kept) {
    return /^50*$/.test(digits.slice(kept)) && "02468".includes(digits[kept - 1]);
  }

  /** Python's `:.2f`, of the number's exact value. */
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

  /** Few bounds occur often, and a half is found out only by looking at sixty digits. */
  /** @type {Map<number | null, string>} */
  const percents = new Map();

  detcost.percent = (rate) => {
    const known = percents.get(rate) ?? `${bare(rate)} %`;
    if (percents.size < 10_000) percents.set(rate, known);
    return known;
  };

  detcost.costText = (cost) => {
    if (!cost || cost.ratio === null) return "–";
    const { ratio, low, high } = cost;
    const ends = low === null || high === null ? "?, ?" : `${two(low)}, ${two(high)}`;
    return `${two(ratio)} [${ends}]`;
  };

  /** @param {number} value */
  function two(value) {
    return detcost.fixed(value, 2);
  }

  detcost.countText = (count, anyway = false) => {
    if (!count?.trials) return count?.reason ? "n/a" : "–";
    const seen = `${count.divergent}/${count.trials}`;
    if (anyway) return `(${seen})`;
    if (!count.divergent) return `${seen} ≤ ${detcost.percent(count.high)}`;
    const rate = detcost.percent(count.divergent / count.trials);
    return `${seen} = ${rate} [${bare(count.low)}, ${bare(count.high)}]`;
  };

  /** Say what an interval allows to be said, as detcost.statistics.verdict does. */
  detcost.verdict = (cost) => {
    if (!cost || cost.low === null || cost.high === null) return "ambiguous";
    const { band } = detcost.index;
    if (cost.low > 1 + band) return "costs";
    if (cost.high < 1 - band) return "faster";
    return cost.low >= 1 - band && cost.high <= 1 + band ? "free" : "ambiguous";
  };

  /** What a verdict means, and what makes an ambiguous one ambiguous. */
  detcost.explained = (cost) => {
    const band = `${detcost.general(100 * detcost.index.band, 6)} %`;
    const verdict = detcost.verdict(cost);
    if (verdict === "free") return `free: the whole interval lies within ±${band} of 1`;
    if (verdict === "costs") return `costs: the whole interval lies above +${band}`;
    if (verdict === "faster") return `faster: the whole interval lies below −${band}`;
    return `ambiguous: the interval ${vague(cost, band).join(" and ")}`;
  };

  /** @param {Figure} cost @param {string} band */
  function vague({ low, high }, band) {
    if (low === null || high === null) return ["is not known: it takes two blocks"];
    const share = detcost.index.band;
    return [
      high - low > 2 * share ? `is wider than the ±${band} band` : "",
      low < 1 - share ? `crosses −${band}` : "",
      high > 1 + share ? `crosses +${band}` : "",
    ].filter(Boolean);
  }

  /** Python's shlex.join. */
  detcost.shell = (words) => words.map(quoted).join(" ");

  /** @param {string} word */
  function quoted(word) {
    if (!word) return "''";
    return /[^\w@%+=:,./-]/.test(word) ? `'${word.replaceAll("'", `'"'"'`)}'` : word;
  }

  detcost.words = (status) => status.replaceAll("_", " ");

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
