// The page: fetches a view, gives it to the picture, the table and the panel, and synchronizes them.
import { Detail, verdict } from "./detail.js";
import { Graph, isDark } from "./graph.js";
import { read } from "./model.js";
import { Table } from "./table.js";
import { amount, clock, day, plusMinus, share, span } from "./units.js";

/** Relative to the page's files, so that the address of the page does not matter. */
const DATA = new URL("../data", import.meta.url);

/** Go's four sample types, named and ordered for people. */
const TYPES = [
  ["inuse_space", "In use"],
  ["inuse_objects", "Objects in use"],
  ["alloc_space", "Ever allocated"],
  ["alloc_objects", "Objects ever allocated"],
];

const by = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const state = {
  type: asked.get("sample_index") ?? "",
  focus: asked.get("focus") ?? "",
  ignore: asked.get("ignore") ?? "",
  since: asked.get("since") ?? "",
  search: asked.get("search") ?? "",
  /** The name of the selected function, to select it again in the next view. */
  selected: undefined,
};
let view = null;
let running = null;
let timer = 0;

const tip = {
  element: by("tip"),
  show(event, lines) {
    const [name, ...rest] = lines;
    const title = document.createElement("strong");
    title.textContent = name;
    this.element.replaceChildren(title, ...rest.map(paragraph));
    this.element.hidden = false;
    const { width, height } = this.element.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - width - 8);
    const below = event.clientY + 18;
    const top = below + height > innerHeight ? event.clientY - height - 12 : below;
    this.element.style.left = `${Math.max(4, left)}px`;
    this.element.style.top = `${Math.max(4, top)}px`;
  },
  hide() {
    this.element.hidden = true;
  },
};

const detail = new Detail(by("detail"), {
  onSelect: (of) => choose(of),
  onFilter: (field, pattern) => {
    state[field] = pattern;
    load({ again: true });
  },
});
const graph = new Graph(by("graph"), tip, {
  onSelect: (node) => choose(node.function, node),
  onZoom: (isZoomed) => { by("out").hidden = !isZoomed; },
});
const table = new Table(by("top"), { onSelect: (of) => choose(of) });

/** Shows a function everywhere: outlined in the picture and the table, described in the panel. */
function choose(of, call = null) {
  state.selected = of?.name;
  if (!call) graph.select(null, false);
  graph.outline(of);
  table.outline(of);
  detail.draw(view, of, call);
}

/** Fetches a view: of the heap now, or with `again` of the heap that is shown. */
async function load({ again = false } = {}) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  remember();
  const url = new URL(DATA);
  const parameters = {
    sample_index: state.type, focus: state.focus, ignore: state.ignore, since: state.since,
    at: again ? view?.id ?? "" : "",
  };
  for (const [name, value] of Object.entries(parameters)) if (value !== "") url.searchParams.set(name, value);
  by("picture").ariaBusy = "true";
  by("loading").hidden = view !== null;
  document.body.classList.add("loading");
  try {
    const reply = await fetch(url, { signal: mine.signal });
    if (!reply.ok) throw new Error((await reply.text()).trim() || `the server answered ${reply.status}`);
    view = read(await reply.json());
    show();
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error);
  } finally {
    if (running === mine) {
      by("picture").ariaBusy = "false";
      by("loading").hidden = true;
      document.body.classList.remove("loading");
    }
  }
}

function show() {
  document.title = `heap of ${view.program}`;
  by("program").textContent = view.program || "heap";
  by("about").textContent = `process ${view.process} · ${day(view.time)} ${clock(view.time)}`;
  by("about").title = view.build_id ? `build id ${view.build_id}` : "";
  drawTypes();
  drawSince();
  drawFields();
  by("estimates").textContent = view.isEstimated
    ? `Estimates: about one allocation is recorded for every ${amount(view.interval, "bytes")} allocated. ` +
      "± is one standard error; the true number is within twice that 95 times in 100."
    : "";
  by("remarks").replaceChildren(...view.remarks.map(paragraph));
  drawChange();
  by("folded").textContent = view.nodes_folded > 0
    ? `${view.nodes_folded.toLocaleString("en-US")} frames too small to see are summed up in gray ones.`
    : "";
  const emptiness = nothing();
  message(emptiness);
  by("graph").hidden = by("top").hidden = by("detail").hidden = emptiness !== null;
  by("trunk").hidden = by("out").hidden = true;
  if (emptiness) return;
  graph.draw(view);
  drawTrunk();
  table.draw(view);
  search();
  const of = state.selected && view.functions.find((one) => one.name === state.selected);
  choose(of ?? null);
  drawn();
}

/** Why there is nothing to draw, and what to do; null if there is something. */
function nothing() {
  if (view.root.value > 0) return null;
  if (state.focus || state.ignore) {
    const unmatched = view.unmatched.map((which) => `“${state[which]}”`).join(" and ");
    return {
      text: unmatched ? `No function or file matches ${unmatched}.` : "No stack is left by this filter.",
      action: "Clear the filter",
      act: () => {
        state.focus = state.ignore = "";
        load({ again: true });
      },
    };
  }
  if (view.isDifference) return { text: "Nothing has changed since then." };
  return {
    text: "The heap is empty: nothing was sampled yet. About one allocation is recorded for every " +
      `${amount(view.interval, "bytes")} allocated.`,
  };
}

function fail(error) {
  const isGone = state.since !== "";
  message({
    text: error instanceof TypeError ? `The server cannot be reached: ${error.message}` : error.message,
    action: isGone ? "Compare with nothing, and try again" : "Try again",
    act: () => {
      state.since = "";
      load();
    },
    isError: true,
  });
}

function message(about) {
  const box = by("message");
  box.hidden = !about;
  box.className = about?.isError ? "error" : "";
  box.replaceChildren();
  if (!about) return;
  box.append(paragraph(about.text));
  if (about.action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = about.action;
    button.addEventListener("click", about.act);
    box.append(button);
  }
}

function drawTypes() {
  const known = TYPES.filter(([kind]) => view.sample_types.some((type) => type.kind === kind));
  const others = view.sample_types.filter((type) => !TYPES.some(([kind]) => kind === type.kind));
  const focused = document.activeElement?.dataset?.type;
  by("types").replaceChildren(...[...known, ...others.map((type) => [type.kind, type.kind])].map(([kind, text]) => {
    const type = view.sample_types.find((type) => type.kind === kind);
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.type = kind;
    button.title = kind;
    button.role = "radio";
    const isChosen = type === view.type;
    button.ariaChecked = String(isChosen);
    button.tabIndex = isChosen ? 0 : -1;
    const label = document.createElement("span");
    label.textContent = text;
    const total = document.createElement("b");
    total.textContent = plusMinus(type.total.value, type.total.error, type.unit);
    button.append(label, total);
    return button;
  }));
  if (focused) by("types").querySelector(`[data-type="${focused}"]`)?.focus();
}

function drawSince() {
  const none = new Option("(no comparison)", "");
  const at = view.sample_types.indexOf(view.type);
  const moments = view.moments.filter((moment) => moment.id !== view.id).reverse();
  if (view.since && !moments.some((moment) => moment.id === view.since.id)) moments.push(view.since);
  by("since").replaceChildren(none, ...moments.map((moment) => {
    const text = `${clock(moment.time)}, ${span(view.time - moment.time)} before · ` +
      amount(moment.totals[at] ?? 0, view.unit);
    return new Option(text, moment.id);
  }));
  by("since").disabled = moments.length === 0;
  by("since").title = moments.length === 0
    ? "No earlier moment is remembered yet: one a minute is from now on"
    : "What has changed since";
  by("since").value = view.since?.id ?? "";
}

function drawFields() {
  for (const field of ["focus", "ignore", "search"]) {
    if (document.activeElement !== by(field)) by(field).value = state[field];
  }
}

function drawChange() {
  const box = by("change");
  box.hidden = !view.isDifference;
  if (!view.isDifference) return;
  const { base, new: now } = view.change;
  // The root's width is the sum of growth and shrinkage; its value is their difference.
  const grown = (view.root.value + view.root.cum) / 2;
  const shrunk = view.root.cum - grown;
  const { value, error } = view.shown;
  const unit = view.unit;
  const parts = [
    ["b", plusMinus(value, error, unit, true), value > 0 ? "grown" : value < 0 ? "shrunk" : ""],
    ["span", `${share(value, base, true)} since ${clock(view.since.time)} (${span(view.time - view.since.time)})`],
    ["span", view.isEstimated ? verdict(value, error) : "", "verdict"],
    ["span", `${amount(base, unit)} → ${amount(now, unit)}`],
    ["span", `grown ${amount(grown, unit, true)}`, "swatch grown"],
    ["span", `shrunk ${amount(shrunk, unit, true)}`, "swatch shrunk"],
    ["span", "pale: within noise", "swatch noise"],
    ["span", "a frame is as wide as its growth and shrinkage together", "quiet"],
  ];
  box.replaceChildren(...parts.filter(([, text]) => text).map(([tag, text, name = ""]) => {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = name;
    return element;
  }));
}

function drawTrunk() {
  by("trunk").hidden = graph.hidden === 0;
  by("trunk").textContent = graph.showsStart
    ? "Hide the start of stacks"
    : `Show the start of stacks (${graph.hidden} ${graph.hidden === 1 ? "frame" : "frames"})`;
}

/** A search text is a regular expression if it is valid as one, else plain text; case is ignored. */
function matcher(term) {
  let pattern;
  try {
    pattern = new RegExp(term, "i");
  } catch {
    pattern = new RegExp(term.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "i");
  }
  return (of) => Boolean(of) && (pattern.test(of.name) || pattern.test(of.place));
}

function search() {
  if (!view || by("graph").hidden) return;
  const term = state.search.trim();
  const matches = term ? matcher(term) : null;
  table.search(matches);
  if (!term) by("found").textContent = "";
  graph.search(term, (node) => matches(node.function), (count, sum, total) => {
    by("found").textContent = count === 0 ? "no match"
      : `${share(sum, total)} in ${count.toLocaleString("en-US")} ${count === 1 ? "frame" : "frames"}`;
  });
}

/** When the first picture was complete, for measurements: labels appear after the library's timers. */
function drawn() {
  if (performance.getEntriesByName("drawn").length > 0) return;
  const label = by("graph").querySelector(".d3-flame-graph-label");
  if (label?.textContent) requestAnimationFrame(() => performance.mark("drawn"));
  else requestAnimationFrame(drawn);
}

/** The address bar names the view, so that a person can send it to another one. */
function remember() {
  const parameters = new URLSearchParams();
  const all = { sample_index: state.type, focus: state.focus, ignore: state.ignore, since: state.since, search: state.search };
  for (const [name, value] of Object.entries(all)) if (value) parameters.set(name, value);
  const text = parameters.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}

function theme(chosen) {
  if (chosen) document.documentElement.dataset.theme = chosen;
  by("theme").textContent = isDark() ? "Light" : "Dark";
  if (view && !by("graph").hidden) graph.recolor();
}

by("types").addEventListener("click", (event) => {
  const button = event.target.closest("[data-type]");
  if (!button) return;
  state.type = button.dataset.type;
  load({ again: true });
});
by("types").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...by("types").children];
  const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
  next.focus();
  next.click();
});
by("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
for (const field of ["focus", "ignore"]) by(field).addEventListener("change", filter);
function filter() {
  const [focus, ignore] = [by("focus").value, by("ignore").value];
  if (focus === state.focus && ignore === state.ignore) return;
  Object.assign(state, { focus, ignore });
  load({ again: true });
}
by("since").addEventListener("change", () => {
  state.since = by("since").value;
  load({ again: true });
});
by("search").addEventListener("input", () => {
  state.search = by("search").value;
  remember();
  search();
});
by("reload").addEventListener("click", () => load());
by("every").addEventListener("change", () => {
  clearInterval(timer);
  const seconds = Number(by("every").value);
  if (seconds > 0) timer = setInterval(() => document.hidden || load(), seconds * 1000);
});
by("out").addEventListener("click", () => graph.zoomOut());
by("trunk").addEventListener("click", () => {
  graph.toggleStart();
  drawTrunk();
  search();
});
by("theme").addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  localStorage.setItem("heaptide-theme", chosen);
  theme(chosen);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") by("search").focus();
  else if (event.key === "r") load();
  else if (event.key === "Escape" && !by("out").hidden) graph.zoomOut();
  else return;
  event.preventDefault();
});
theme(localStorage.getItem("heaptide-theme"));
load();
