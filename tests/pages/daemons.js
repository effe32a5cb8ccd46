// The daemons as processes, and made-up studies for them.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const bin = process.env.KAREZ_BIN ?? join(import.meta.dirname, "../../target/release");

/// Runs a command of a program to its end; what it printed.
export function run(program, data, args, input = "") {
  const done = spawnSync(join(bin, program), ["--data", data, ...args], { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${program} ${args}: ${done.stdout}${done.stderr}`);
  return done.stdout.trim();
}

/// A running daemon: where its page is, and how to stop it.
export async function start(program, data, settings) {
  const sets = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const child = spawn(join(bin, program), ["--data", data, ...sets, "run"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const page = await new Promise((found, failed) => {
    const late = setTimeout(() => failed(new Error(`${program} shows no page: ${log}`)), 30_000);
    child.stderr.on("data", (piece) => {
      log += piece;
      const at = log.match(/the page is at (http:\/\/\S+)/);
      if (at) { clearTimeout(late); found(at[1]); }
    });
    child.on("exit", () => failed(new Error(`${program} ended: ${log}`)));
  });
  const stop = () => new Promise((ended) => { child.removeAllListeners("exit"); child.on("exit", ended); child.kill("SIGTERM"); });
  return { page, stop, log: () => log };
}

/// A file of Explicit VR Little Endian whose pixels no codec makes smaller.
export function image(folder, { name, study, instance, modality, side, sop = "1.2.840.10008.5.1.4.1.1.7" }) {
  const text = (value, pad = " ") => Buffer.from(value.length % 2 ? value + pad : value);
  const short = (group, element, vr, value) => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(group, 0); head.writeUInt16LE(element, 2); head.write(vr, 4); head.writeUInt16LE(value.length, 6);
    return Buffer.concat([head, value]);
  };
  const number = (value) => { const two = Buffer.alloc(2); two.writeUInt16LE(value); return two; };
  const uid = (value) => text(value, "\0");
  const meta = Buffer.concat([
    short(2, 2, "UI", uid(sop)), short(2, 3, "UI", uid(instance)),
    short(2, 0x10, "UI", uid("1.2.840.10008.1.2.1")), short(2, 0x12, "UI", uid("1.2.3.4")),
  ]);
  const length = Buffer.alloc(4); length.writeUInt32LE(meta.length);
  const pixels = randomBytes(side * side);
  const long = Buffer.alloc(12); long.writeUInt16LE(0x7fe0, 0); long.writeUInt16LE(0x10, 2); long.write("OB", 4); long.writeUInt32LE(pixels.length, 8);
  const file = Buffer.concat([
    Buffer.alloc(128), Buffer.from("DICM"), short(2, 0, "UL", length), meta,
    short(8, 5, "CS", text("ISO_IR 192")), short(8, 0x16, "UI", uid(sop)), short(8, 0x18, "UI", uid(instance)),
    short(8, 0x60, "CS", text(modality)), short(0x10, 0x10, "PN", text(name)), short(0x10, 0x20, "LO", text("0001")),
    short(0x20, 0xd, "UI", uid(study)), short(0x20, 0xe, "UI", uid(`${study}.1`)),
    short(0x28, 2, "US", number(1)), short(0x28, 4, "CS", text("MONOCHROME2")), short(0x28, 0x10, "US", number(side)),
    short(0x28, 0x11, "US", number(side)), short(0x28, 0x100, "US", number(8)), short(0x28, 0x101, "US", number(8)),
    short(0x28, 0x102, "US", number(7)), short(0x28, 0x103, "US", number(0)), long, pixels,
  ]);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${instance}.dcm`);
  writeFileSync(path, file);
  return path;
}
