// The server's JSON as objects. data.rs defines the order of values in nodes and rows.

/** A view: the tree with its numbers, the rows of the table, and the text above both. */
export function read(data) {
  const functions = data.functions.map(([name, short, file, line], id) => ({
    id, name, short, place: file && line ? `${file}:${line}` : file,
  }));
  const isDifference = data.since !== null;
  const nodes = [];
  for (const [parent, call, flat, flatError, cum, cumError, base, width, inlined] of data.nodes) {
    const node = {
      id: nodes.length,
      parent: nodes.length ? nodes[parent] : null,
      function: call >= 0 ? functions[call] : null,
      folded: call < -1 ? -1 - call : 0,
      flat, flatError, cum, cumError, base,
      value: width,
      inlined: inlined === 1,
      children: [],
    };
    nodes.push(node);
    if (node.parent) node.parent.children.push(node);
  }
  for (const node of nodes) {
    // The sum of small nodes comes last, however wide it is.
    node.children.sort((a, b) => (a.folded > 0) - (b.folded > 0));
  }
  const isEstimated = data.shown.error !== null;
  const rows = data.rows.map(([call, flat, flatError, cum, cumError, inlined, change]) => ({
    function: functions[call], flat, flatError, cum, cumError, inlined, change,
  }));
  const type = data.sample_types[data.sample_index];
  return {
    ...data, functions, nodes, rows, type, unit: type.unit, isDifference, isEstimated,
    root: nodes[0],
    rowOf: new Map(rows.map((row) => [row.function, row])),
  };
}

/** Whether a change is larger than 95 % of the changes that sampling alone causes. */
export function isMoreThanNoise(value, error) {
  return value !== 0 && Math.abs(value) > 2 * (error ?? 0);
}

/** The calls of a function that are not inside another call of it. */
function outermost(view, of) {
  return view.nodes.filter((node) => node.function === of && !isWithin(node.parent, of));
}

function isWithin(node, of) {
  for (; node; node = node.parent) if (node.function === of) return true;
  return false;
}

/** A function's numbers, its callers and its callees, the largest first. */
export function describe(view, of) {
  const calls = outermost(view, of);
  const row = view.rowOf.get(of);
  const sum = (nodes) => add(nodes.map((node) => [node.cum, node.cumError, node.base]));
  const callers = new Map();
  for (const call of calls) put(callers, call.parent, call);
  const callees = new Map();
  for (const node of view.nodes) {
    if (node.parent?.function !== of || node.function === of) continue;
    if (isRepeated(node, of)) continue;
    put(callees, node, node);
  }
  const [cum, cumError, base] = sum(calls);
  const list = (groups) => [...groups.values()].map(([example, nodes]) => {
    const [cum, cumError, base] = sum(nodes);
    return { node: example, function: example.function, cum, cumError, base };
  }).sort((a, b) => Math.abs(b.cum) - Math.abs(a.cum));
  const own = view.nodes.filter((node) => node.function === of);
  const [flat, flatError] = add(own.map((node) => [node.flat, node.flatError, 0]));
  return {
    flat: row?.flat ?? flat, flatError: row?.flatError ?? flatError,
    cum: row?.cum ?? cum, cumError: row?.cumError ?? cumError,
    base, callers: list(callers), callees: list(callees),
  };
}

/** Whether the same call is further up, where its value is counted. */
function isRepeated(node, of) {
  for (let above = node.parent.parent; above; above = above.parent) {
    if (above.function === node.function && above.parent?.function === of) return true;
  }
  return false;
}

function put(groups, by, node) {
  const key = by.function ?? (by.folded ? "folded" : "root");
  const group = groups.get(key);
  if (group) group[1].push(node);
  else groups.set(key, [by, [node]]);
}

/** Samples are independent, so variances add. */
function add(parts) {
  let [value, variance, base] = [0, 0, 0];
  for (const [v, error, b] of parts) {
    value += v;
    variance += error * error;
    base += b;
  }
  return [value, Math.sqrt(variance), base];
}

/** The name of a node. */
export function title(node) {
  if (node.function) return node.function.short;
  return node.folded ? `(${node.folded} smaller)` : "all";
}
