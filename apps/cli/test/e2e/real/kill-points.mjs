// Loaded into the CLI before it starts: numbers every durable write and every host command, and kills the
// process before or after one of them. KILL_AT names the point, KILL_LOG the file that gets their names.
import { appendFileSync } from "node:fs";
import promises from "node:fs/promises";
import { createRequire, syncBuiltinESMExports } from "node:module";

const { KILL_AT, KILL_LOG, KILL_SSH } = process.env;
let passed = 0;

function pass(what) {
  appendFileSync(KILL_LOG, `${what}\n`);
  if (String(passed) === KILL_AT) process.kill(process.pid, "SIGKILL");
  passed += 1;
}

for (const name of ["link", "symlink"]) {
  const real = promises[name];
  promises[name] = async (from, to, ...more) => {
    const key = String(to).split("/.lockstep/")[1];
    if (key === undefined) return real(from, to, ...more);
    pass(`before ${name} ${key}`);
    const result = await real(from, to, ...more);
    pass(`after ${name} ${key}`);
    return result;
  };
}
const { unlink } = promises;
promises.unlink = async (path) => {
  const key = String(path).split("/.lockstep/")[1];
  if (key !== undefined) pass(`before unlink ${key}`);
  await unlink(path);
  if (key !== undefined) pass(`after unlink ${key}`);
};
syncBuiltinESMExports();

// What goes to a host: each command, each piece of its input, and the end of that.
const { Channel } = createRequire(KILL_SSH)("ssh2/lib/Channel.js");
const sending = "_write"; // the member that every stream has
const write = Channel.prototype[sending];
Channel.prototype[sending] = function sent(data, encoding, done) {
  pass(`before sending ${data.length} bytes`);
  return write.call(this, data, encoding, (...result) => {
    pass(`after sending ${data.length} bytes`);
    done(...result);
  });
};
const { eof } = Channel.prototype;
Channel.prototype.eof = function ended() {
  const isFirst = this.outgoing.state === "open"; // it says so twice
  if (isFirst) pass("before the end of the input");
  eof.call(this);
  if (isFirst) pass("after the end of the input");
};
const { Client } = createRequire(KILL_SSH)("ssh2");
const exec = Client.prototype.exec;
Client.prototype.exec = function run(...words) {
  pass("before a command");
  const result = exec.apply(this, words);
  pass("after a command");
  return result;
};
