// The table of functions: a click on a heading sorts it, a click on a row selects the function.
import { isMoreThanNoise } from "./model.js";
import { amount, share } from "./units.js";

/** Rows drawn at first; a button draws the others. */
const FIRST = 50;

const COLUMNS = [
  ["flat", "Flat", "What the function holds itself"],
  ["flatError", "±", "One standard error of flat"],
  ["flatShare", "Flat %", "Of the whole"],
  ["cum", "Cum", "With all it calls"],
  ["cumError", "±", "One standard error of cum"],
  ["cumShare", "Cum %", "Of the whole"],
  ["name", "Function", "Shortened; the whole name in the tooltip and the panel"],
  ["place", "Line", "The line that most of it goes through"],
];

export class Table {
  constructor(element, { onSelect }) {
    this.element = element;
    this.onSelect = onSelect;
    this.by = "flat";
    this.isRising = false;
    this.showsAll = false;
    element.addEventListener("click", (event) => this.#clicked(event));
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  draw(view) {
    this.view = view;
    this.#render();
  }

  /** Shows only the rows that a search matches, or all. */
  search(matches) {
    this.matches = matches;
    if (this.view) this.#render();
  }

  outline(of) {
    this.outlined = of;
    for (const row of this.element.querySelectorAll("tbody tr")) {
      row.classList.toggle("selected", Number(row.dataset.function) === of?.id);
    }
  }

  #render() {
    const { view } = this;
    const columns = COLUMNS.filter(([key]) => view.isEstimated || !key.endsWith("Error"));
    const rows = view.rows.filter((row) => !this.matches || this.matches(row.function));
    rows.sort((a, b) => this.#compare(a, b));
    const shown = this.showsAll ? rows : rows.slice(0, FIRST);
    const table = document.createElement("table");
    table.append(this.#head(columns));
    const body = table.createTBody();
    for (const row of shown) body.append(this.#row(row, columns));
    this.element.replaceChildren(table);
    const left = rows.length - shown.length;
    if (left > 0) {
      const more = document.createElement("button");
      more.type = "button";
      more.className = "more";
      more.textContent = `Show ${left.toLocaleString("en-US")} more`;
      this.element.append(more);
    }
    if (view.rows_left_out > 0 && left === 0) {
      this.element.append(note(`${view.rows_left_out.toLocaleString("en-US")} smaller functions are left out; a filter finds them.`));
    }
    this.outline(this.outlined);
  }

  #head(columns) {
    const row = document.createElement("tr");
    for (const [key, text, help] of columns) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = key;
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.sort = key;
      button.textContent = text;
      button.title = help;
      if (key === this.by) cell.ariaSort = this.isRising ? "ascending" : "descending";
      cell.append(button);
      row.append(cell);
    }
    const head = document.createElement("thead");
    head.append(row);
    return head;
  }

  #row(of, columns) {
    const { unit, whole, isDifference } = this.view;
    const texts = {
      flat: amount(of.flat, unit, isDifference),
      flatError: amount(of.flatError, unit),
      flatShare: share(of.flat, whole, isDifference),
      cum: amount(of.cum, unit, isDifference),
      cumError: amount(of.cumError, unit),
      cumShare: share(of.cum, whole, isDifference),
      place: of.function.place.split("/").slice(-2).join("/"),
    };
    const row = document.createElement("tr");
    row.tabIndex = 0;
    row.dataset.function = of.function.id;
    for (const [key] of columns) {
      const cell = document.createElement("td");
      cell.className = key;
      if (key === "name") cell.append(...name(of));
      else cell.textContent = texts[key];
      if (key === "place") cell.title = of.function.place;
      if (key.endsWith("Share")) {
        const part = Math.abs(key === "flatShare" ? of.flat : of.cum) / (Math.abs(whole) || 1);
        cell.style.setProperty("--part", `${Math.min(100, part * 100).toFixed(1)}%`);
      }
      if (isDifference && (key === "flat" || key === "cum")) {
        const [value, error] = key === "flat" ? [of.flat, of.flatError] : [of.cum, of.cumError];
        cell.classList.add(!isMoreThanNoise(value, error) ? "noise" : value > 0 ? "grown" : "shrunk");
      }
      row.append(cell);
    }
    return row;
  }

  #compare(a, b) {
    const value = {
      flat: (row) => Math.abs(row.flat), flatShare: (row) => Math.abs(row.flat), flatError: (row) => row.flatError,
      cum: (row) => Math.abs(row.cum), cumShare: (row) => Math.abs(row.cum), cumError: (row) => row.cumError,
    }[this.by];
    const text = this.by === "place" ? (row) => row.function.place : (row) => row.function.short;
    const order = value ? value(a) - value(b) : -compare(text(a), text(b));
    return (this.isRising ? order : -order) || compare(a.function.name, b.function.name);
  }

  #clicked(event) {
    const sort = event.target.closest("[data-sort]");
    if (sort) {
      const by = sort.dataset.sort;
      this.isRising = by === this.by && !this.isRising;
      this.by = by;
      this.#render();
      this.element.querySelector(`[data-sort="${by}"]`).focus();
    } else if (event.target.closest(".more")) {
      this.showsAll = true;
      this.#render();
    } else this.#pick(event.target);
  }

  #key(event) {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (event.key === "Enter") this.#pick(row);
    else if (next) next.focus();
    else return;
    event.preventDefault();
  }

  #pick(element) {
    const row = element.closest("tbody tr");
    // A selection of text is not a click.
    if (row && getSelection().isCollapsed) this.onSelect(this.view.functions[row.dataset.function]);
  }
}

function name(of) {
  const text = document.createElement("span");
  text.textContent = of.function.short;
  text.title = of.function.name;
  const marks = [
    of.inlined === 1 && "inlined", of.inlined === 2 && "partly inlined",
    of.change === 1 && "new", of.change === 2 && "gone",
  ].filter(Boolean);
  const small = marks.map((mark) => {
    const element = document.createElement("small");
    element.textContent = mark;
    return element;
  });
  return [text, ...small];
}

function note(text) {
  const element = document.createElement("p");
  element.className = "quiet";
  element.textContent = text;
  return element;
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
