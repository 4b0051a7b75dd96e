// What readers other than ours make of a file: `node read.cjs FOLDER KIND FILE` writes it as JSON.
// FOLDER is where package.json's packages are installed.
"use strict";
const fs = require("fs");
const path = require("path");
const zlib = require("zlib");
const { createRequire } = require("module");

const [folder, kind, file] = process.argv.slice(2);
const load = createRequire(path.resolve(folder, "package.json"));

function speedscope() {
  const Ajv = load("ajv");
  const schema = path.resolve(folder, "node_modules/speedscope/dist/release/file-format-schema.json");
  const validate = new Ajv({ strict: false, allErrors: true }).compile(
    JSON.parse(fs.readFileSync(schema, "utf8")),
  );
  const read = JSON.parse(fs.readFileSync(file, "utf8"));
  if (!validate(read)) {
    throw new Error(JSON.stringify(validate.errors, null, 2));
  }
  return read;
}

function pprof() {
  const { Profile } = load("pprof-format");
  const read = Profile.decode(zlib.gunzipSync(fs.readFileSync(file)));
  const text = (at) => read.stringTable.strings[Number(at)];
  return {
    types: read.sampleType.map((t) => [text(t.type), text(t.unit)]),
    samples: read.sample.map((s) => ({ depth: s.locationId.length, values: s.value.map(Number) })),
    functions: read.function.map((f) => text(f.name)),
  };
}

process.stdout.write(JSON.stringify({ speedscope, pprof }[kind]()));
