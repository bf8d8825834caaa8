export { type Account, type AccountOptions, createAccount } from "./account.ts";
export { testContext } from "./context.ts";
export { type Direction, type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
export { type SandboxSsh, type SandboxSshOptions, startSandboxSsh } from "./sandbox/ssh.ts";
export { type KeyPair, makeKeyPair } from "./ssh-keys.ts";
export { type Sshd, type SshdOptions, startSshd } from "./sshd.ts";
export { memoryTarget, type MemoryTargetOptions } from "./memory/target.ts";
export { type HookTime, type MemoryRef, type MemoryUnit, MemoryWorld } from "./memory/world.ts";
