// The flame graph. d3-flame-graph draws it; this file sets colors and labels, and a selection that the
// keyboard moves.
import { flamegraph, select } from "./flamegraph.js";
import { isMoreThanNoise, title } from "./model.js";
import { amount, brief, plusMinus, share } from "./units.js";

const CELL = 20;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Graph {
  /** `onSelect` gets the node selected by mouse or keyboard; `onZoom` gets whether it is zoomed in. */
  constructor(element, tip, { onSelect, onZoom }) {
    this.element = element;
    this.tip = tip;
    this.onSelect = onSelect;
    this.onZoom = onZoom;
    this.showsStart = false;
    this.hidden = 0;
    element.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#fit()).observe(element);
  }

  /** Draws a view, zoomed to the same node as the view before, if the node still exists. */
  draw(view) {
    const path = this.view && this.zoomed ? names(this.zoomed) : null;
    this.view = view;
    this.selected = null;
    this.zoomed = null;
    this.top = view.root;
    this.hidden = arrange(view.root, this.showsStart);
    this.width = this.#room();
    this.element.replaceChildren();
    this.chart = flamegraph()
      .width(this.width)
      .cellHeight(CELL)
      .minFrameSize(0.7)
      .transitionDuration(0)
      .inverted(true)
      .resetHeightOnZoom(true)
      .tooltip(this.#tooltip())
      .getChildren((node) => node.below)
      .getName((d) => this.#label(d.data ?? d))
      .setLabelHandler((d) => this.#label(d.data))
      .setColorMapper((d) => this.#color(d))
      .setSearchMatch((d, term) => this.matcher(d.data, term))
      .setSearchHandler((found, sum, total) => this.onFound(found.length, sum, total))
      .setDetailsHandler(() => {})
      .onClick((d) => this.#clicked(d));
    select(this.element).datum(this.top).call(this.chart);
    const svg = this.element.querySelector("svg");
    svg.setAttribute("aria-hidden", "true");
    svg.querySelector(":scope > text.title")?.remove();
    const again = path && find(this.top, path);
    if (again && again !== this.top) this.zoom(again);
    else this.onZoom(false);
  }

  /** Shows or hides the frames in which stacks start. */
  toggleStart() {
    this.showsStart = !this.showsStart;
    this.zoomed = null;
    this.draw(this.view);
  }

  /** Colors the nodes for which `matcher` returns true. */
  search(term, matcher, onFound) {
    this.matcher = matcher;
    this.onFound = onFound;
    this.isSearching = term !== "";
    if (this.isSearching) this.chart.search(term);
    else this.chart.clear();
    this.#mark();
  }

  zoom(node) {
    const d = this.chart.findById(this.#chartId(node));
    if (!d) return;
    this.chart.transitionDuration(calm.matches ? 0 : 150);
    this.chart.zoomTo(d);
    this.chart.transitionDuration(0);
  }

  zoomOut() {
    this.zoom(this.top);
  }

  select(node, isShown = true) {
    this.selected = node;
    this.#mark();
    if (isShown) this.onSelect(node);
  }

  /** Outlines all calls of a function. */
  outline(of) {
    this.outlined = of;
    this.#mark();
  }

  recolor() {
    this.chart?.update();
    this.#mark();
  }

  #clicked(d) {
    const node = d.data;
    this.zoomed = node === this.top ? null : node;
    this.onZoom(this.zoomed !== null);
    this.select(node);
  }

  #label(node) {
    const { unit, isDifference } = this.view;
    return `${title(node)}  ${brief(node.cum, unit, isDifference)}`;
  }

  #color(d) {
    const node = d.data;
    const dark = isDark();
    if (this.isSearching) {
      if (d.highlight) return dark ? "#b7791f" : "#ffbf3d";
      return dark ? "#2e3440" : "#e6e8ec";
    }
    if (!node.function) return dark ? "#3a414d" : "#d5d9e0";
    if (this.view.isDifference) return difference(node, dark);
    return kind(node.function.name, dark);
  }

  #tooltip() {
    const tip = () => {};
    tip.show = (event, d) => this.tip.show(event, this.#lines(d.data));
    tip.hide = () => this.tip.hide();
    tip.destroy = () => this.tip.hide();
    return tip;
  }

  #lines(node) {
    const { unit, whole, isDifference, isEstimated } = this.view;
    const error = isEstimated ? node.cumError : null;
    const lines = [node.function?.name ?? (node.folded
      ? `${node.folded} ${node.folded === 1 ? "frame" : "frames"} too small to draw`
      : "all stacks")];
    lines.push(`${plusMinus(node.cum, error, unit, isDifference)}  ${share(node.cum, whole, isDifference)}`);
    if (isDifference) {
      lines.push(`from ${amount(node.base, unit)} to ${amount(node.base + node.cum, unit)}`);
      lines.push(isMoreThanNoise(node.cum, node.cumError) ? "more than noise" : "within noise");
    }
    if (node.function?.place) lines.push(node.function.place);
    if (node.inlined) lines.push("inlined");
    return lines;
  }

  /** The picture's numbering: depth first from its top. */
  #chartId(node) {
    let id = null;
    select(this.element).datum().each((d) => {
      if (d.data === node) id = d.id;
    });
    return id;
  }

  #mark() {
    const { selected, outlined } = this;
    select(this.element).selectAll("svg > g").each(function (d) {
      this.classList.toggle("selected", d.data === selected);
      this.classList.toggle("outlined", Boolean(outlined) && d.data.function === outlined);
    });
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.view) return;
    const at = this.selected ?? this.zoomed ?? this.top;
    const siblings = at === this.top ? [at] : at.up.below;
    const place = siblings.indexOf(at);
    const moves = {
      ArrowDown: () => at.below[0],
      ArrowUp: () => at.up ?? at,
      ArrowLeft: () => siblings[place - 1],
      ArrowRight: () => siblings[place + 1],
      Home: () => this.top,
    };
    if (event.key === "Enter" || event.key === " ") this.zoom(at);
    else if (event.key === "Escape") this.zoomOut();
    else if (moves[event.key]) {
      const next = moves[event.key]();
      if (next) this.select(next);
    } else return;
    event.preventDefault();
  }

  #room() {
    return Math.max(320, Math.floor(this.element.clientWidth));
  }

  #fit() {
    const room = this.#room();
    if (!this.chart || room === this.width) return;
    this.width = room;
    this.chart.width(room).update();
    this.#mark();
  }
}

/** The frames in which every Rust program and its threads start. */
const START = new RegExp("^(?:_start|main|__libc_start_\\w+|_*clone3?|start_thread|__rust_try|" +
  "<?(?:std::(?:rt|panic|panicking|sys|sys_common|thread)|core::panic::unwind_safe|core::ops::function|alloc::boxed)::.*)$");

/** The share of the whole that has to go through a frame that stacks share. */
const NEARLY_ALL = 0.99;

/**
 * Links each node of the picture with the nodes above and below it, without the start of stacks: the
 * frames that start threads, and those that nearly all stacks go through before they part. Returns how
 * many frames can be left out.
 */
function arrange(root, showsStart) {
  const left = new Set();
  const shared = (node) => node.children.find((child) => child.function && child.value >= NEARLY_ALL * root.value);
  for (let node = shared(root); node; node = shared(node)) {
    const next = shared(node);
    if (!next?.children.length) break;
    left.add(node);
  }
  const starts = (node) => node.children.length > 0 && node.function && START.test(node.function.name);
  const next = root.children.slice();
  while (next.length > 0) {
    const node = next.pop();
    if (starts(node)) left.add(node);
    if (left.has(node)) next.push(...node.children);
  }
  root.up = null;
  const place = [root];
  while (place.length > 0) {
    const node = place.pop();
    node.below = showsStart ? node.children : node.children.flatMap((child) => visible(child, left));
    if (node.below !== node.children) node.below.sort((a, b) => (a.folded > 0) - (b.folded > 0) || b.value - a.value);
    for (const child of node.below) child.up = node;
    place.push(...node.below);
  }
  return left.size;
}

const visible = (node, left) =>
  left.has(node) ? node.children.flatMap((child) => visible(child, left)) : [node];

const names = (node) => (node.up ? [...names(node.up), title(node)] : []);

function find(top, path) {
  let node = top;
  for (const name of path) {
    node = node.below.find((child) => title(child) === name);
    if (!node) return null;
  }
  return node;
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A hue for each module; gray for those of the standard library, which are in every program. */
function kind(name, dark) {
  const path = /^[<&*\s]*(?:mut |dyn |impl )*([A-Za-z_][\w-]*)((?:::[a-z_]\w*(?=::))*)/.exec(name);
  const crate = path?.[1] ?? "";
  if (!crate || ["std", "core", "alloc", "hashbrown"].includes(crate)) return dark ? "#414b5a" : "#dbe0e8";
  let hash = 7;
  for (const letter of crate + path[2]) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  // The hue tells the module, the lightness the function.
  let shade = 3;
  for (const letter of name) shade = (shade * 33 + letter.charCodeAt(0)) >>> 0;
  const hue = (hash * 47) % 360;
  const light = dark ? 27 + (shade % 9) : 76 + (shade % 9);
  return `hsl(${hue}, ${dark ? 34 : 68}%, ${light}%)`;
}

/** Red for growth, blue for shrinkage, stronger if less of it cancels; gray within noise. */
function difference(node, dark) {
  if (!isMoreThanNoise(node.cum, node.cumError)) return dark ? "#3a414d" : "#e3e6eb";
  const strength = Math.min(1, Math.abs(node.cum) / (node.value || 1));
  const [hue, saturation] = node.cum > 0 ? [4, 72] : [212, 68];
  const light = dark ? 24 + 20 * strength : 90 - 28 * strength;
  return `hsl(${hue}, ${saturation}%, ${light}%)`;
}
