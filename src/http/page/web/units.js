// Numbers as people read them: the same rules as the reports' (src/units.rs).

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

function scale(size) {
  let unit = 0;
  // 1024.00 of a unit is shown as 1.00 of the next one.
  while (size >= 1023.995 && unit < UNITS.length - 1 && (unit > 0 || size >= 1024)) {
    size /= 1024;
    unit += 1;
  }
  return [size, unit];
}

const sign = (value, signed) => (value < 0 ? "−" : signed && value > 0 ? "+" : "");
const grouped = (value) => Math.round(value).toLocaleString("en-US");

/** A value in the unit of its sample type: `1.50 MiB`, `12,345`. */
export function amount(value, unit, signed = false) {
  const size = Math.abs(value);
  if (unit !== "bytes") return sign(value, signed) + grouped(size) + other(unit);
  const [scaled, at] = scale(size);
  return `${sign(value, signed)}${at ? scaled.toFixed(2) : Math.round(size)} ${UNITS[at]}`;
}

/** A value with its standard error, in one unit: `8.71 ± 0.69 MiB`. */
export function plusMinus(value, error, unit, signed = false) {
  if (error === null) return amount(value, unit, signed);
  const size = Math.abs(value);
  if (unit !== "bytes") {
    return `${sign(value, signed)}${grouped(size)} ± ${grouped(error)}${other(unit)}`;
  }
  const [, at] = scale(Math.max(size, error));
  const part = (bytes) => (at ? (bytes / 1024 ** at).toFixed(2) : Math.round(bytes));
  return `${sign(value, signed)}${part(size)} ± ${part(error)} ${UNITS[at]}`;
}

/** Few characters, for a small label: `1.5M`. */
export function brief(value, unit, signed = false) {
  const size = Math.abs(value);
  if (unit === "bytes") {
    const [scaled, at] = scale(size);
    const digits = at && scaled < 10 ? 1 : 0;
    return `${sign(value, signed)}${scaled.toFixed(digits)} ${UNITS[at]}`;
  }
  return sign(value, signed) + grouped(size);
}

/** A share of the whole in percent. */
export function share(part, whole, signed = false) {
  if (part === 0) return "0%";
  if (whole === 0) return "-";
  const percent = (Math.abs(part) / Math.abs(whole)) * 100;
  if (percent < 0.01) return "<0.01%";
  return `${sign(part, signed)}${percent.toFixed(2)}%`;
}

function other(unit) {
  return unit === "count" || unit === "" ? "" : ` ${unit}`;
}

export function clock(millis) {
  return new Date(millis).toLocaleTimeString("en-GB");
}

export function day(millis) {
  return new Date(millis).toLocaleDateString("en-CA");
}

/** A duration in its largest one or two units: `4 min`, `2 h 5 min`. */
export function span(millis) {
  const seconds = Math.max(0, Math.round(millis / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
