// The panel beside the picture: one function's numbers, its callers and its callees.
import { describe, isMoreThanNoise } from "./model.js";
import { amount, plusMinus, share } from "./units.js";

const LONGEST = 12;

export class Detail {
  constructor(element, { onSelect, onFilter }) {
    this.element = element;
    this.onSelect = onSelect;
    this.onFilter = onFilter;
  }

  /** Shows a function, and the selected call of it if there is one; or the whole. */
  draw(view, of, call) {
    this.view = view;
    if (!of) {
      this.element.replaceChildren(...this.#whole(call));
      return;
    }
    const about = describe(view, of);
    const parts = [make("h2", of.short), make("p", of.name, "full")];
    if (of.place) parts.push(make("p", of.place, "place"));
    const numbers = [
      ["Flat", this.#number(about.flat, about.flatError)],
      ["Cum", this.#number(about.cum, about.cumError)],
    ];
    if (view.isDifference) {
      numbers.push(["Was, is", `${amount(about.base, view.unit)} → ${amount(about.base + about.cum, view.unit)}`]);
      numbers.push(["Change", verdict(about.cum, about.cumError)]);
    }
    if (call && call.cum !== about.cum) numbers.push(["This call", this.#number(call.cum, call.cumError)]);
    parts.push(list(numbers));
    parts.push(this.#actions(of));
    parts.push(...this.#others("Called by", about.callers), ...this.#others("Calls", about.callees));
    this.element.replaceChildren(...parts);
  }

  #whole(call) {
    const { view } = this;
    if (call?.folded) {
      return [
        make("h2", `${call.folded} smaller frames`),
        make("p", "Each is too small to be seen. A filter on their caller shows them.", "quiet"),
        list([["Together", this.#number(call.cum, call.cumError)]]),
      ];
    }
    const { value, error, low, high } = view.shown;
    const numbers = [[view.isDifference ? "Change" : "All", this.#number(value, error)]];
    if (low !== null) {
      const reach = `${amount(low, view.unit, view.isDifference)} to ${amount(high, view.unit, view.isDifference)}`;
      numbers.push(["95 %", reach]);
    }
    return [
      make("h2", view.isDifference ? "What has changed" : "The whole"),
      list(numbers),
      make("p", "Choose a frame or a row to see who calls it and what it calls. Click a frame to zoom; " +
        "arrow keys, Enter and Esc do the same.", "quiet"),
    ];
  }

  #number(value, error) {
    const { unit, whole, isDifference, isEstimated } = this.view;
    const text = plusMinus(value, isEstimated ? error : null, unit, isDifference);
    return `${text}  (${share(value, whole, isDifference)})`;
  }

  #actions(of) {
    const actions = make("p", "", "actions");
    const exactly = `^${of.name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`;
    for (const [text, field] of [["Only stacks through it", "focus"], ["Without them", "ignore"]]) {
      const button = make("button", text);
      button.type = "button";
      button.addEventListener("click", () => this.onFilter(field, exactly));
      actions.append(button);
    }
    return actions;
  }

  #others(heading, others) {
    const { unit, whole, isDifference, isEstimated } = this.view;
    if (others.length === 0) return [];
    const table = make("table", "", "others");
    for (const other of others.slice(0, LONGEST)) {
      const row = table.insertRow();
      const text = plusMinus(other.cum, isEstimated ? other.cumError : null, unit, isDifference);
      row.insertCell().textContent = text;
      row.insertCell().textContent = share(other.cum, whole, isDifference);
      const cell = row.insertCell();
      if (other.function) {
        const button = make("button", other.function.short);
        button.type = "button";
        button.title = other.function.name;
        button.addEventListener("click", () => this.onSelect(other.function));
        cell.append(button);
      } else cell.textContent = other.node.folded ? "(smaller ones)" : "(the start of a stack)";
    }
    const left = others.length - LONGEST;
    return [make("h3", heading), table, ...(left > 0 ? [make("p", `and ${left} more`, "quiet")] : [])];
  }
}

export function verdict(value, error) {
  return isMoreThanNoise(value, error) ? "more than noise" : "within noise";
}

function list(pairs) {
  const element = make("dl");
  for (const [term, text] of pairs) element.append(make("dt", term), make("dd", text));
  return element;
}

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}
