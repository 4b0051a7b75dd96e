// The drawing of flame graphs, with the parts of d3 it needs. ../flamegraph.js is made of this by
// `npm ci && npm run build`, and CI makes it anew and compares.
export { default as flamegraph } from "d3-flame-graph";
export { select } from "d3-selection";
