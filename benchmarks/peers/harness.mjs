// Runs the peers of attestry's benchmarks. It is started by `go run ./benchmarks`:
//
//     node harness.mjs             sets everything up, powers.ptau being beside it
//     node harness.mjs --only bbs  one peer alone
//
// in a copy of this directory, where it leaves what it compiles and its keys.
//
// It writes one JSON document a line: {"about": {...}} when all is set up, and then, for each
// line of its input, which names a step as a JSON string, {"step", "wall_ms", "cpu_ms"}, or {"error"}.
// It ends with its input. Processor time is that of this process with all its threads.

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

const here = import.meta.dirname;
const require = createRequire(import.meta.url);
const say = (document) => process.stdout.write(JSON.stringify(document) + "\n");
const inMemory = (path) => ({ type: "mem", data: new Uint8Array(readFileSync(path)) });
const version = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"))).version;
const versions = (...names) => Object.fromEntries(names.map((name) => [name, version(name)]));
const random = () => BigInt("0x" + randomBytes(31).toString("hex")).toString();
// packages that say nothing must not write into the answers
console.log = console.info = console.debug = (...words) => console.error(...words);

// The record and the question of present.circom: a parcel of the county under eight conditions.
function presentInput() {
  return {
    p: random(), scope: random(), context: random(), blind: random(), randomness: [random(), random()],
    operands: ["50000", "900", "1900", "10561"],
    sets: [["7", "8"], ["9", "10"]],
    factors: ["100", "150", "1", "1"],
    key: random(), subject: random(), holder: "0", holderSecret: "0", serial: random(), blinding: random(), link: random(),
    attributes: ["306514", "303000", "9609", "1978", "5", "6", "3273", "53496", "12", "4", "3", "1", "7", "625", "177", "0"],
    siblings: Array.from({ length: 28 }, random),
    sides: Array.from({ length: 28 }, (_, i) => String(i % 2)),
  };
}

// snarkjs proves present.circom, its key in memory. The powers of tau are not snarkjs's own,
// which takes minutes to make and prepare them; from there on the setup is.
async function snarkjsSteps() {
  const snarkjs = await import("snarkjs");
  execFileSync(process.execPath, [
    "node_modules/circom2/cli.js", "present.circom", "--O2", "--r1cs", "--wasm", "-l", "node_modules", "-o", ".",
  ], { cwd: here, stdio: ["ignore", "ignore", "inherit"] }); // it is WebAssembly, which sees no other directory
  const r1cs = await snarkjs.r1cs.info(join(here, "present.r1cs"));
  await snarkjs.zKey.newZKey(join(here, "present.r1cs"), join(here, "powers.ptau"), join(here, "first.zkey"));
  await snarkjs.zKey.contribute(join(here, "first.zkey"), join(here, "present.zkey"), "development", randomBytes(32).toString("hex"));
  const vk = await snarkjs.zKey.exportVerificationKey(join(here, "present.zkey"));
  const wasm = inMemory(join(here, "present_js/present.wasm")), zkey = inMemory(join(here, "present.zkey"));
  const input = presentInput();
  let made;
  return {
    about: { constraints: Number(r1cs.nConstraints), versions: versions("snarkjs", "circom2", "circomlib") },
    "snarkjs.prove": async () => { made = await snarkjs.groth16.fullProve(input, wasm, zkey); },
    "snarkjs.verify": async () => {
      if (!(await snarkjs.groth16.verify(vk, made.publicSignals, made.proof))) throw new Error("snarkjs: the proof does not hold");
    },
  };
}

// Semaphore v4 proves membership in a group of 1,000, for its circuit of depth 28, as
// @semaphore-protocol/proof does: the same call with the same inputs.
async function semaphoreSteps() {
  const snarkjs = await import("snarkjs");
  const { Identity } = await import("@semaphore-protocol/identity");
  const { Group } = await import("@semaphore-protocol/group");
  const depth = 28, artifacts = join(here, "node_modules/@zk-kit/semaphore-artifacts", `semaphore-${depth}`);
  const wasm = inMemory(artifacts + ".wasm"), zkey = inMemory(artifacts + ".zkey");
  const vk = JSON.parse(readFileSync(artifacts + ".json"));
  const identity = new Identity(randomBytes(32).toString("hex"));
  const members = Array.from({ length: 999 }, random);
  const proof = new Group([identity.commitment, ...members]).generateMerkleProof(0);
  const siblings = Array.from({ length: depth }, (_, i) => proof.siblings[i] ?? 0n);
  const input = {
    secret: identity.secretScalar, merkleProofLength: proof.siblings.length, merkleProofIndex: proof.index, merkleProofSiblings: siblings,
    scope: random(), message: random(),
  };
  let made;
  return {
    about: { versions: versions("@semaphore-protocol/identity", "@semaphore-protocol/group", "@zk-kit/semaphore-artifacts") },
    "semaphore.prove": async () => { made = await snarkjs.groth16.fullProve(input, wasm, zkey); },
    "semaphore.verify": async () => {
      if (!(await snarkjs.groth16.verify(vk, made.publicSignals, made.proof))) throw new Error("semaphore: the proof does not hold");
    },
  };
}

// BBS signs a credential of 18 messages, a record's key, subject and 16 attributes, and derives
// a proof that reveals one of them.
async function bbsSteps() {
  const { bbs } = require("@mattrglobal/pairing-crypto");
  const suite = bbs.bls12381_sha256;
  const { secretKey, publicKey } = await suite.generateKeyPair();
  const header = randomBytes(16), presentationHeader = randomBytes(16);
  const messages = Array.from({ length: 18 }, () => new Uint8Array(randomBytes(31)));
  const revealed = 5;
  const sign = () => suite.sign({ secretKey, publicKey, header, messages });
  const derive = (signature) => suite.deriveProof({
    publicKey, header, presentationHeader, signature, verifySignature: false,
    messages: messages.map((value, i) => ({ value, reveal: i === revealed })),
  });
  let signature = await sign(), proof = await derive(signature);
  return {
    about: { bbs_proof_bytes: proof.length, versions: versions("@mattrglobal/pairing-crypto") },
    "bbs.sign": async () => { signature = await sign(); },
    "bbs.derive": async () => { proof = await derive(signature); },
    "bbs.verify": async () => {
      const { verified, error } = await suite.verifyProof({ publicKey, header, presentationHeader, proof, messages: { [revealed]: messages[revealed] } });
      if (!verified) throw new Error("bbs: the proof does not hold: " + error);
    },
  };
}

const peers = { snarkjs: snarkjsSteps, semaphore: semaphoreSteps, bbs: bbsSteps };

async function setUp(names) {
  const steps = {}, about = { versions: { node: process.version } };
  for (const name of names) {
    const { about: more, ...own } = await peers[name]();
    Object.assign(about, more, { versions: { ...about.versions, ...more.versions } });
    Object.assign(steps, own);
  }
  return { steps, about: { ...about, steps: Object.keys(steps) } };
}

async function measure(step, work) {
  const before = process.cpuUsage(), start = performance.now();
  await work();
  const used = process.cpuUsage(before);
  say({ step, wall_ms: performance.now() - start, cpu_ms: (used.user + used.system) / 1000 });
}

async function main(words) {
  const names = words[0] === "--only" ? words[1].split(",") : Object.keys(peers);
  const { steps, about } = await setUp(names);
  say({ about });
  for await (const line of createInterface({ input: process.stdin })) {
    const step = JSON.parse(line);
    if (!steps[step]) throw new Error(`there is no step ${JSON.stringify(step)}`);
    await measure(step, steps[step]);
  }
}

try {
  await main(process.argv.slice(2));
  process.exit(0); // snarkjs leaves its threads running
} catch (error) {
  say({ error: String(error?.stack ?? error) });
  process.exit(1);
}
